"""What is remembered of what the timetables have done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.document.site import Site


@dataclass(slots=True)
class Followed:
    """A schedule is on, or off, from `since` until before `until` (wall µs; None: no end is known)."""

    on: bool
    since: int | None
    until: int | None


@dataclass(slots=True)
class ArmingMemory:
    """A partition that is armed by `schedule`, in a state of `calendar/life.py`. `stirred` is the gateway time at which
    somebody last moved in it, `exiting` whether its exit delay runs, `moving` are the detectors that see somebody."""

    schedule: str
    state: str = "idle"
    stirred: int = 0
    exiting: bool = False
    moving: set[str] = field(default_factory=set)


@dataclass(slots=True)
class CalendarMemory:
    """`offset` is wall time minus gateway time (µs) as far as the wall clock was believed; None: look at it anew."""

    offset: int | None = None
    followed: dict[str, Followed] = field(default_factory=dict)
    armings: dict[str, ArmingMemory] = field(default_factory=dict)

    def fit(self, site: Site) -> None:
        """Forget what the site has no more. What a schedule said last is kept, so that its next change is noticed;
        since and until when is read again, for its hours may be others now."""
        self.offset = None
        self.followed = {
            name: Followed(each.on, None, 0) for name, each in self.followed.items() if name in site.schedules
        }
        schedules = {each.id: each.arming.schedule for each in site.partitions if each.arming is not None}
        self.armings = {name: each for name, each in self.armings.items() if schedules.get(name) == each.schedule}
