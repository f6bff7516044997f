"""The witness at the cloud relay: reads its database and its blobs, and notes when each thing is there, durably."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from hwlab.instant import boot_now

TENANT_FOLDER = "*"


@dataclass(slots=True)
class Seen:
    """What is known of one incident at the relay; moments are boot µs, None: not yet."""

    incident: str
    clip: str | None = None
    durable: int | None = None
    still: int | None = None
    first_segment: int | None = None
    sealed: int | None = None
    segments: list[tuple[str, str, int, int]] = field(default_factory=list)  # (sha256, init, start, duration)
    start: int = 0
    mark: int = 0
    end: int = 0
    reason: str = ""


class Witness:
    """Looks when asked; asking costs some microseconds while nothing has changed."""

    def __init__(self, *, data: Path) -> None:
        self._database = data / "relay.db"
        self._blobs = data / "blobs"
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self._known: set[str] = set()

    def _rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        if self._connection is None:
            self._connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=2.0)
        return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def changed(self) -> bool:
        """Whether anything was committed since the last call."""
        version = self._rows("PRAGMA data_version")[0][0]
        changed, self._version = version != self._version, int(str(version))
        return changed

    def new_incident(self) -> str | None:
        """An incident that was not there before."""
        for (incident,) in self._rows("SELECT id FROM incident WHERE opened IS NOT NULL ORDER BY arrived"):
            if str(incident) not in self._known:
                self._known.add(str(incident))
                return str(incident)
        return None

    def remember_all(self) -> None:
        """What is there now is not news."""
        while self.new_incident() is not None:
            pass

    def look(self, seen: Seen) -> None:
        """Note what has become true of this incident."""
        for clip, state, start, mark, end, reason, segments in self._rows(
            'SELECT id, state, start, mark, "end", reason, segments FROM clip WHERE incident = ?', seen.incident
        ):
            seen.clip, seen.start, seen.mark = str(clip), _whole(start), _whole(mark)
            seen.segments = [
                (str(sha256), str(init), _whole(begin), _whole(duration))
                for sha256, init, begin, duration in self._rows(
                    "SELECT sha256, init, start, duration FROM segment WHERE clip = ? ORDER BY n", clip
                )
            ]
            held = [self.has(sha256) and self.has(init) for sha256, init, _, _ in seen.segments]
            if seen.first_segment is None and any(held):
                seen.first_segment = boot_now()
            if seen.sealed is None and state == "sealed" and len(held) == segments and all(held):
                seen.sealed, seen.end, seen.reason = boot_now(), _whole(end), str(reason)
        if seen.still is None:
            stills = self._rows("SELECT sha256 FROM still WHERE incident = ?", seen.incident)
            if any(self.has(str(sha256)) for (sha256,) in stills):
                seen.still = boot_now()

    def has(self, sha256: str) -> bool:
        """Whether the relay keeps the blob."""
        return any(self._blobs.glob(f"{TENANT_FOLDER}/{sha256[:2]}/{sha256[2:4]}/{sha256}"))


def _whole(value: object) -> int:
    return int(str(value)) if value is not None else 0
