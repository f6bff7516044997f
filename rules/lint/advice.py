"""One piece of advice."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rules.document.places import Path
from rules.units import HOUR, MINUTE, SECOND

Source = Literal["CP-01", "EN 50131", "practice"]
SOURCES: tuple[Source, ...] = ("CP-01", "EN 50131", "practice")


class Advice(NamedTuple):
    """`says` is a sentence for a person about the word at `path`; `topic` names the kind of advice; `after` whose
    figures it follows ("CP-01" and "EN 50131" as they are commonly told, "practice": our own experience)."""

    path: Path
    topic: str
    says: str
    after: Source = "practice"


def spoken(micros: int) -> str:
    """A duration as a document writes it: 45s, 1m30s, 2h."""
    hours, rest = divmod(micros, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, rest = divmod(rest, SECOND)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"), (rest // 1000, "ms"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"
