"""Moments (wall µs) as people read them, in one time zone for the whole relay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WORDS = dict(enumerate(("Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"), 2))
_LOCALTIME = Path("/etc/localtime")


def machine_zone(link: Path = _LOCALTIME) -> str:
    """The IANA name of the machine's time zone; UTC when it has none that can be told."""
    name = str(link.resolve()).partition("zoneinfo/")[2].removeprefix("posix/")
    try:
        return ZoneInfo(name).key if name and name != "Etc/UTC" else "UTC"
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Says moments relative to `now`. All arguments are µs since the Unix epoch."""

    zone_name: str
    now: int
    _zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", ZoneInfo(self.zone_name))

    def at(self, moment: int) -> datetime:
        """The moment in the relay's zone; far outside the calendar it is the nearest day there is."""
        bounded = min(max(moment, 0), 253_402_000_000_000_000)
        return datetime.fromtimestamp(bounded / 1_000_000, self._zone)

    def iso(self, moment: int) -> str:
        """For machines: UTC with milliseconds."""
        return self.at(moment).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def clock(self, moment: int) -> str:
        """23:41"""
        return f"{self.at(moment):%H:%M}"

    def clock_s(self, moment: int) -> str:
        """23:41:07"""
        return f"{self.at(moment):%H:%M:%S}"

    def ms(self, moment: int) -> str:
        """The milliseconds alone: 482"""
        return f"{self.at(moment).microsecond // 1000:03d}"

    def day(self, moment: int) -> str:
        """Mon 23 Nov 2026"""
        return f"{self.at(moment):%a} {self.at(moment).day} {self.at(moment):%b %Y}"

    def full(self, moment: int) -> str:
        """Mon 23 Nov 2026, 23:41:07.482"""
        return f"{self.day(moment)}, {self.clock_s(moment)}.{self.ms(moment)}"

    def short(self, moment: int) -> str:
        """The time, with the day when it is not today."""
        if self.at(moment).date() == self.at(self.now).date():
            return self.clock_s(moment)
        year = "" if self.at(moment).year == self.at(self.now).year else f" {self.at(moment).year}"
        return f"{self.at(moment):%a} {self.at(moment).day} {self.at(moment):%b}{year}, {self.clock(moment)}"

    def ago(self, moment: int) -> str:
        """The same words as static/times.js, so that a page does not change when its script starts."""
        seconds = round((self.now - moment) / 1_000_000)
        if seconds < 5:
            return "just now"
        if seconds < 60:
            return f"{seconds} s ago"
        if seconds < 3600:
            return f"{seconds // 60} min ago"
        if seconds < 86_400:
            return f"{seconds // 3600} h ago"
        return "yesterday" if seconds < 172_800 else f"{seconds // 86_400} days ago"

    def part_of_day(self, moment: int) -> str:
        """morning, afternoon, evening or night"""
        hour = self.at(moment).hour
        return "night" if hour < 5 else "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"

    def after(self, moment: int, start: int) -> str:
        """How long after `start`: +0.8 s, −4.2 s, +3 min 20 s"""
        micros = moment - start
        sign, seconds = ("\N{MINUS SIGN}" if micros < 0 else "+"), abs(micros) / 1_000_000
        if seconds < 0.0005:
            return ""
        if seconds < 0.9995:
            return f"{sign}{seconds * 1000:.0f} ms"
        if seconds < 59.95:
            return f"{sign}{seconds:.1f} s"
        whole = round(seconds)
        if whole < 3600:
            return f"{sign}{whole // 60} min {whole % 60:02d} s"
        return f"{sign}{whole // 3600} h {whole % 3600 // 60:02d} min"


def spoken(identity: str | None) -> str:
    """An id as words: server-room-door is read Server room door. Names are the gateway's; the relay has only ids."""
    words = " ".join((identity or "").replace("_", "-").split("-")).strip()
    return words[:1].upper() + words[1:]


def length(micros: int) -> str:
    """A duration as a clock: 0:40"""
    seconds = round(micros / 1_000_000)
    return f"{seconds // 60}:{seconds % 60:02d}"
