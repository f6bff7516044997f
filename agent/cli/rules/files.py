"""Reading what the verbs of `nightporter rules` are given, and showing how far a long one is."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config.load import load_site_file
from agent.errors import ConfigError
from rules.errors import DocumentError
from rules.walk import Version


def as_data(error: DocumentError) -> list[dict[str, object]]:
    """The mistakes of a document, for a program."""
    return [
        {"file": one.file, "line": one.line, "column": one.column, "path": one.path, "message": one.message}
        for one in error.problems
    ]


def site_version(path: Path) -> Version:
    """A site document from a file, as a version without a number."""
    text, site = load_site_file(path)
    return Version(0, hashlib.sha256(text.encode()).hexdigest(), site)


def moment(text: str, zone: ZoneInfo) -> int:
    """Wall time (µs) of `2026-01-14 22:31:05` at the site, of a date, or of a time with an offset."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a time; write '2026-01-14 22:31:05', a date, or 2026-01-14T22:31:05+01:00"
        ) from None
    aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=zone)
    return int(aware.timestamp()) * 1_000_000 + aware.microsecond


def colour() -> bool:
    """Whether a person looks at the output and wants colours in it."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Progress:
    """A line on stderr that counts, only for a person who waits."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = sys.stderr.isatty()

    def __call__(self, count: int) -> None:
        if self._shown:
            print(f"\r{count:>12,} {self._what}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Leave no trace of it."""
        if self._shown:
            print("\r" + " " * (13 + len(self._what)) + "\r", end="", file=sys.stderr, flush=True)
