"""Moments and durations as a scenario writes and shows them; integers in µs."""

from __future__ import annotations

import re
from typing import NamedTuple

_PART = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?![su]))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?(?:(\d{1,9})us)?",
    re.ASCII,
)
_UNITS = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1000, 1)
LONGEST = 20 * 366 * _UNITS[0]
_FURTHEST = 100 * 366 * _UNITS[0]  # a clock may jump to 1970


class Moment(NamedTuple):
    """When a step is: after the scenario's begin, or (`relative`) after the step before it."""

    relative: bool
    micros: int


def signed(value: object) -> int:
    """Microseconds from `1m30s`, `-1h`, `30s - 1us`, `2d`. ValueError says what is allowed."""
    text = value if isinstance(value, str) else ""
    total = position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match.end() == position or (position and not match["sign"]):
            break
        amount = sum(int(part or 0) * unit for part, unit in zip(match.groups()[1:], _UNITS, strict=True))
        total += -amount if match["sign"] == "-" else amount
        position = match.end()
    if abs(total) > _FURTHEST:
        raise ValueError(f"{text[:40]!r} is longer than a hundred years")
    if not text or position != len(text):
        raise ValueError(f"{str(value)[:40]!r} is not a time; write for example 0s, 1m30s, +5s, 30s - 1us or -1h")
    return total


def moment(value: object) -> Moment:
    """A step's `at`."""
    if isinstance(value, Moment):
        return value
    micros = signed(value)
    return Moment(str(value).lstrip().startswith("+"), micros)


def spoken(micros: int) -> str:
    """A duration as people write it: 3m, 1m30s, 29.999999s, 2h."""
    sign, rest = ("-", -micros) if micros < 0 else ("", micros)
    hours, rest = divmod(rest, _UNITS[1])
    minutes, rest = divmod(rest, _UNITS[2])
    seconds = f"{rest // 1_000_000}.{rest % 1_000_000:06}".rstrip("0").rstrip(".")
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{seconds}s" if seconds != "0" else ""]
    return sign + ("".join(parts) or "0s")
