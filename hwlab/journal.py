"""What every device of the lab did, one JSON object a line, appended for ever: the invariant checker's ground truth."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwlab.errors import LabError
from hwlab.instant import Instant, now


class Journal:
    """Lines have `wall`, `boot`, `mono` (µs), `device`, `what` and more by what. A line is written whole, at once."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def add(self, device: str, what: str, *, at: Instant | None = None, **facts: Any) -> Instant:
        """Write one line; returns the instant it bears."""
        if self._file is None:
            raise LabError(f"the journal {self.path} is not open")
        at = at or now()
        line = {"wall": at.wall, "boot": at.boot, "mono": at.mono, "device": device, "what": what, **facts}
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return at


def read(path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines; a last line that was cut by a crash is left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise LabError(f"{path}:{number}: this line of the journal is not JSON: {error}") from None
            if not isinstance(entry, dict):
                raise LabError(f"{path}:{number}: this line of the journal is not a JSON object")
            yield entry


def last_counters(path: Path) -> dict[str, int]:
    """The highest `n` each device has used, so that a lab started again in its old folder never repeats one."""
    counters: dict[str, int] = {}
    if path.exists():
        for entry in read(path):
            n = entry.get("n")
            if isinstance(n, int):
                counters[entry["device"]] = max(n, counters.get(entry["device"], 0))
    return counters
