"""What the core was told about clips, stills and gaps and has not confirmed: kept on disk, one file a subject."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import structlog

from agent.video.encoding import MANIFEST, decode, encode
from agent.video.errors import LinkError
from agent.video.files import make_directory, storage_error, sync_directory
from agent.video.messages import ClipOpened, ClipSealed, Manifest, SegmentAdded, completes, subject_of

log = structlog.get_logger()

MOST_SUBJECTS = 2000
"""Subjects kept at most; beyond, the oldest complete one is forgotten unconfirmed, and that is logged."""


class Journal:
    """Manifest messages in the order told, by subject. A line is durable before its message is sent, so whatever
    is killed and whenever, the next worker can repeat it and seal what was left open."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "manifests"
        self._told: dict[str, list[Manifest]] = {}

    def load(self) -> None:
        """Read what a predecessor left. Blocking. A torn last line, cut short by a power loss, is ignored."""
        try:
            make_directory(self._directory)
            paths = sorted(self._directory.glob("*.ndjson"), key=lambda path: path.stat().st_mtime_ns)
            texts = [(path, path.read_bytes()) for path in paths]
        except OSError as error:
            raise storage_error(error, "the list of open clips") from error
        for path, text in texts:
            for line in text.split(b"\n")[:-1]:
                try:
                    message = cast("Manifest", decode(line, MANIFEST))
                except LinkError as error:
                    log.warning("media.journal_unreadable", file=path.name, reason=str(error))
                    break
                self._told.setdefault(subject_of(message), []).append(message)
            if not text.endswith(b"\n") and text:
                self._repair(path, text)

    def _repair(self, path: Path, text: bytes) -> None:
        """Cut a torn line off, so that the next one does not grow on it."""
        try:
            os.truncate(path, text.rfind(b"\n") + 1)
        except OSError as error:
            raise storage_error(error, "the list of open clips") from error

    def write(self, message: Manifest) -> None:
        """Make the message durable. Blocking, any thread; StorageError when the disk refuses."""
        path = self._path(subject_of(message))
        try:
            make_directory(self._directory)
            new = not path.exists()
            with path.open("ab") as file:
                file.write(encode(message))
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_directory(self._directory)
        except OSError as error:
            raise storage_error(error, "a line of the manifest") from error

    def remember(self, message: Manifest) -> None:
        """Repeat the message on each new connection until its subject is confirmed. From the event loop only."""
        self._told.setdefault(subject_of(message), []).append(message)

    def told(self, subject: str) -> list[Manifest]:
        """All that was said about a subject and is not confirmed; empty when nothing was."""
        return list(self._told.get(subject, ()))

    def unconfirmed(self) -> Iterator[Manifest]:
        """Everything to repeat, subjects in the order they began."""
        for messages in list(self._told.values()):
            yield from messages

    def forget(self, subject: str) -> Path | None:
        """The core has it. From the event loop; the file to remove is returned, as removing blocks. None when the
        subject is unknown or not complete: then it stays."""
        messages = self._told.get(subject)
        if not messages or not completes(messages[-1]):
            return None
        del self._told[subject]
        return self._path(subject)

    def surplus(self) -> str | None:
        """The oldest complete subject when there are too many, for `forget`."""
        if len(self._told) <= MOST_SUBJECTS:
            return None
        return next((subject for subject, messages in self._told.items() if completes(messages[-1])), None)

    def orphans(self) -> list[tuple[ClipOpened, list[SegmentAdded]]]:
        """Clips that a killed worker left open, with the segments told of them."""
        found: list[tuple[ClipOpened, list[SegmentAdded]]] = []
        for messages in self._told.values():
            opened = next((each for each in messages if isinstance(each, ClipOpened)), None)
            if opened is not None and not any(isinstance(each, ClipSealed) for each in messages):
                found.append((opened, [each for each in messages if isinstance(each, SegmentAdded)]))
        return found

    def _path(self, subject: str) -> Path:
        # Ids come from the site document; a digest of one is a file name whatever it holds.
        return self._directory / f"{hashlib.sha256(subject.encode()).hexdigest()[:32]}.ndjson"
