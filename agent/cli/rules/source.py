"""Where the records of a replay come from: the store of a gateway, read beside the running agent, or an exported file.

An export is JSONL: a first line that says whose log it is, with the engine's state before the first record and the
documents that were in force, then one record a line, byte for byte. A file of bare records will do as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config.load import load_config, parse_site
from agent.errors import ConfigError, StoreDamaged, StoreError
from rules.engine import Engine
from rules.errors import WireError
from rules.state import ENGINE_VERSION
from rules.walk import Version, Walk
from rules.wire.record import read as read_record

_PAGE = 5000
_NOTHING = "site: {id: unnamed, name: A site without a document}\n"
_HEAD = '{"nightporter_log":'


@dataclass(frozen=True, slots=True)
class Document:
    """A version of the site document as text."""

    number: int
    sha256: str
    text: str


class Source:
    """Records with a beginning. `snapshot` is the engine before the first record, None: a new one."""

    def __init__(self, *, gateway: str, snapshot: bytes | None, under: str | None, documents: list[Document]) -> None:
        self.gateway = gateway
        self.snapshot = snapshot
        self.under = under  # SHA-256 of the document the snapshot was made under
        self.documents = documents
        self._versions: dict[str, Version] = {}

    def records(self) -> Iterator[bytes]:
        """Each record, in the order of the log."""
        raise NotImplementedError

    def version(self, sha256: str) -> Version | None:
        """The document of this hash, as it came into force."""
        if sha256 not in self._versions:
            for each in self.documents:
                if each.sha256 == sha256:
                    site = parse_site(each.text, f"site document, version {each.number}")
                    self._versions[sha256] = Version(each.number, sha256, site)
        return self._versions.get(sha256)

    def newest(self) -> Version:
        """The last document in force; the one of the snapshot, or an empty one, when none is known."""
        known = max(self.documents, key=lambda each: each.number, default=None)
        return (self.version(known.sha256) if known else None) or self.first()

    def first(self) -> Version:
        """The document that was in force before the first record."""
        found = self.version(self.under) if self.under else None
        if found is not None:
            return found
        if self.under:
            raise ConfigError("the document this log begins with is not in it; name one with --site")
        sha256 = hashlib.sha256(_NOTHING.encode()).hexdigest()
        return Version(0, sha256, parse_site(_NOTHING, "site"))

    def walk(self, changed: Version | None) -> Walk:
        """Ready to go through the records: as they were decided, or under the changed document all along."""
        version = changed or self.first()
        if self.snapshot is not None:
            engine = Engine.restore(
                self.snapshot, site=version.site, site_sha256=version.sha256, origin=self.gateway
            )
        else:
            engine = Engine(site=version.site, site_sha256=version.sha256, origin=self.gateway)
        return Walk(
            engine=engine, version=version, gateway=self.gateway, versions=None if changed else self.version
        )

    def export(self, path: Path) -> int:
        """Write it as JSONL, for its owner's eyes; how many records."""
        head: dict[str, Any] = {
            "nightporter_log": 1,
            "gateway": self.gateway,
            "under": self.under,
            "documents": [{"version": one.number, "sha256": one.sha256, "text": one.text} for one in self.documents],
            "snapshot": json.loads(self.snapshot) if self.snapshot is not None else None,
        }
        count = 0
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(head, separators=(",", ":")).encode() + b"\n")
                for data in self.records():
                    file.write(data + b"\n")
                    count += 1
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
        return count


class StoreSource(Source):
    """The log in a gateway's store from its last snapshot before a moment on; short reads that hold up nobody."""

    def __init__(self, *, config: Path, before: int | None) -> None:
        self._path = load_config(config).paths.data / "log.db"
        if not self._path.exists():
            raise StoreError(f"there is no log at {self._path} yet: the agent has not run here")
        facts = dict(self._rows("SELECT name, value FROM meta", ()))
        documents = [Document(*row) for row in self._rows(
            "SELECT version, sha256, text FROM site_document ORDER BY version", ())]  # fmt: skip
        self._pos, snapshot, under = self._begin(before)
        super().__init__(
            gateway=str(facts.get("gateway", "")), snapshot=snapshot, under=under, documents=documents
        )

    def records(self) -> Iterator[bytes]:
        """Page by page: no read lasts, so the agent's checkpoints wait for none."""
        pos = self._pos
        while True:
            rows = self._rows("SELECT pos, bytes FROM log WHERE pos > ? ORDER BY pos LIMIT ?", (pos, _PAGE))
            for row in rows:
                yield row[1]
            if len(rows) < _PAGE:
                return
            pos = rows[-1][0]

    def _begin(self, before: int | None) -> tuple[int, bytes | None, str | None]:
        """The newest good snapshot not after wall time `before`; the log's very beginning when there is none."""
        moment = before if before is not None else 2**62
        order = "DESC" if before is not None else "ASC"
        whole = self._rows("SELECT coalesce(min(pos), 1) FROM log", ())[0][0] <= 1 and not self._rows(
            "SELECT 1 FROM log_gap UNION ALL SELECT 1 FROM meta WHERE name = 'pruned_local' LIMIT 1", ()
        )
        if before is None and whole:
            return 0, None, None
        for (pos,) in self._rows(
            f"SELECT pos FROM snapshot WHERE engine_version = ? AND wall <= ? ORDER BY pos {order}",  # noqa: S608
            (ENGINE_VERSION, moment),
        ):
            for digest, under, data in self._rows(
                "SELECT sha256, site_sha256, data FROM snapshot WHERE pos = ?", (pos,)
            ):
                if hashlib.sha256(data).digest() == digest:
                    return pos, data, under
        if whole:
            return 0, None, None
        raise StoreDamaged(
            f"{self._path} has no state of this version's engine from before then, and its beginning is gone. "
            "Ask for a later time."
        )

    def _rows(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        try:
            connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5.0)
            try:
                return connection.execute(sql, parameters).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} cannot be read: {error}") from None


class FileSource(Source):
    """An exported log."""

    def __init__(self, *, path: Path, gateway: str | None) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                first = file.readline()
                self._skip = first.startswith(_HEAD.encode())
                if not self._skip:
                    super().__init__(
                        gateway=gateway or _author(path), snapshot=None, under=None, documents=[]
                    )
                    return
        except FileNotFoundError:
            raise ConfigError(f"log {path} does not exist") from None
        except OSError as error:
            raise ConfigError(f"log {path} cannot be read: {error.strerror}") from None
        try:
            head = json.loads(first)
            documents = [Document(int(one["version"]), str(one["sha256"]), str(one["text"]))
                         for one in head["documents"]]  # fmt: skip
            snapshot = None if head["snapshot"] is None else json.dumps(head["snapshot"]).encode()
            super().__init__(
                gateway=gateway or str(head["gateway"]), snapshot=snapshot, under=head["under"], documents=documents
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"the first line of {path} is not that of an exported log; export it again") from None

    def records(self) -> Iterator[bytes]:
        """Each line but the first. ConfigError names the line that is no record."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file):
                data = line.rstrip(b"\r\n")
                if data and (number or not self._skip):
                    yield data


def hint_of_document(log: Source, changed: Version | None) -> str:
    """What is missing where bare records come without the document they were decided by."""
    return "" if changed or log.documents else "; this log has no site document in it; name one with --site"


def _author(path: Path) -> str:
    """Whose log bare records are: who signed the first entry that has gateway time."""
    with path.open("rb") as file:
        for line in file:
            try:
                record = read_record(line.rstrip(b"\r\n"))
            except WireError as error:
                raise ConfigError(f"{path} is no log: {error}") from None
            if record.kind == "incident.opened" and record.gt is not None:
                return str(record.body.get("origin", ""))
    return ""


def source(arguments: Any, *, log: str | None, before: int | None) -> Source:
    """The log that the command line means."""
    if log is not None:
        return FileSource(path=Path(log), gateway=arguments.gateway)
    return StoreSource(config=Path(arguments.config), before=before)

