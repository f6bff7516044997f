"""Media: what a manifest names is there with the right bytes, and nothing lies there that no manifest names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from hwlab.check.report import Report
from hwlab.check.stores import Reading

# Where a relay names blobs: the table, and the statement that reads name and size.
_NAMES = (
    ("segment", "SELECT sha256, bytes FROM segment UNION SELECT init, init_bytes FROM segment"),
    ("still", "SELECT sha256, bytes FROM still"),
    ("pictures", "SELECT sha256, bytes FROM pictures"),
)


def files(root: Path) -> Iterator[Path]:
    """Every blob under a tree `ab/cd/<sha256>`; unfinished work has other names."""
    for path in sorted(root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*")):
        if len(path.name) == 64:
            yield path


def check_media(
    report: Report,
    *,
    agent: Path | None = None,
    media: Path | None = None,
    relay: Path | None = None,
    blobs: Path | None = None,
    outlet: str | None = None,
    gone: bool = False,
    loose: bool = False,
) -> None:
    """`media` is the agent's media folder, `blobs` the relay's tree of the gateway's tenant. What `outlet` is said to
    have acknowledged must be in the relay's. `gone`: the agent was allowed to delete (retention), so a named file may
    be missing there. `loose`: a file may be there before the row that names it."""
    report.looks_for("media is whole", *(() if loose else ("no file without a row",)))
    if agent is not None and media is not None:
        named = _agent_names(agent)
        _tree(report, "agent", media / "blobs", named, missing=not gone, loose=loose)
    if relay is not None and blobs is not None:
        at_relay = _relay_names(relay)
        acknowledged = _acknowledged(agent, outlet) if agent is not None and outlet is not None else set()
        present = _tree(report, "relay", blobs, at_relay, missing=False, loose=loose)
        for sha256 in sorted(acknowledged - present):
            report.add("media is whole", f"relay {sha256}", f"{outlet} acknowledged it, the relay has it not")


def _agent_names(agent: Path) -> dict[str, int]:
    with Reading(agent) as store:
        return {str(sha256): int(size) for sha256, size in store.rows("SELECT sha256, bytes FROM blob")}


def _acknowledged(agent: Path, outlet: str) -> set[str]:
    with Reading(agent) as store:
        return {str(row[0]) for row in store.rows("SELECT sha256 FROM outlet_blob WHERE outlet = ?", outlet)}


def _relay_names(relay: Path) -> dict[str, int]:
    named: dict[str, int] = {}
    with Reading(relay) as store:
        for table, query in _NAMES:
            if store.has(table):
                named.update({str(sha256): int(size) for sha256, size in store.rows(query)})
    return named


def _tree(report: Report, owner: str, root: Path, named: dict[str, int], *, missing: bool, loose: bool) -> set[str]:
    """Compare a tree with the rows that name its files; the names that are there."""
    present: set[str] = set()
    for path in files(root):
        present.add(path.name)
        report.count(f"{owner} blobs hashed")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != path.name:
            report.add("media is whole", f"{owner} {path.name}", f"its bytes have the SHA-256 {found}")
        elif path.name not in named:
            if loose:
                report.count(f"{owner} blobs before their row")
                continue
            report.add("no file without a row", f"{owner} {path.name}", "no manifest names it")
        elif path.stat().st_size != named[path.name]:
            text = f"it has {path.stat().st_size} bytes, its manifest says {named[path.name]}"
            report.add("media is whole", f"{owner} {path.name}", text)
    for sha256 in sorted(set(named) - present):
        if missing:
            report.add("media is whole", f"{owner} {sha256}", "a manifest names it, and there is no such file")
        else:
            report.count(f"{owner} blobs not there")
    return present
