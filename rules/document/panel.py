"""Partitions and zones in the site document: what is armed together, what each input means, how long people have."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from rules.document import Duration, Name, Strict, duration, nearest
from rules.document.figures import (
    ABORT_WINDOW,
    CANCEL_WINDOW,
    ENTRY_DELAY,
    EXIT_DELAY,
    SETTLE,
    SIREN_FOR,
    SWINGER,
)
from rules.events import Mode
from rules.incidents import Severity
from rules.units import MINUTE

ZoneType = Literal[
    "entry_exit",
    "follower",
    "perimeter",
    "interior",
    "24h",
    "hold_up",
    "fire",
    "co",
    "water",
    "tamper",
    "technical",
    "key_switch",
]
ZONE_TYPES: tuple[str, ...] = get_args(ZoneType)
MODES: tuple[Mode, ...] = get_args(Mode)
# Armed with their partition; all others react whether it is armed or not.
ARMED_TYPES = ("entry_exit", "follower", "perimeter", "interior")
CROSSABLE = ("follower", "perimeter", "interior", "24h")
SILENCEABLE = ("entry_exit", "follower", "perimeter", "interior", "24h", "hold_up")
# Left out only by somebody who isolates them: nobody bypasses a smoke detector on the way out.
UNBYPASSABLE = ("hold_up", "fire", "co", "tamper")
# The rest after too many alarms is not for these.
ALWAYS_RINGS = ("hold_up", "fire", "co")
_LONGEST_DELAY = 60 * MINUTE


def _per_mode(value: object) -> dict[str, int]:
    """One duration for every mode (key ""), or a mapping of some."""
    if not isinstance(value, dict):
        return {"": _delay(value)}
    for mode in value:
        if mode not in MODES:
            raise ValueError(f"{mode!r} is not one of {', '.join(MODES)}{nearest(str(mode), list(MODES))}")
    return {str(mode): _delay(each) for mode, each in value.items()}


def _delay(value: object) -> int:
    delay = duration(value)
    if delay > _LONGEST_DELAY:
        raise ValueError(f"{value!r} is longer than an hour, too long to leave a building unguarded")
    return delay


PerMode = Annotated[dict[str, int], BeforeValidator(_per_mode)]
Times = Annotated[int, Field(ge=0, le=6)]


class Arming(Strict):
    """Arming by timetable: armed in `mode` while `schedule` is on. `on_quiet`: only once nothing moved for so long.
    `late_to_close`: how long after its time it may still be disarmed before somebody is told; `late_to_open`: how long
    after the schedule's end still armed. `auto: false`: people arm, only their being late is told. `force`: zones that
    are not ready are left out."""

    schedule: Name
    mode: Mode = "away"
    warn: Duration = 10 * MINUTE
    on_quiet: Duration | None = None
    late_to_close: Duration | None = None
    late_to_open: Duration | None = None
    early_open: bool = False
    auto: bool = True
    force: bool = False


class Partition(Strict):
    """Zones that are armed together."""

    id: Name
    name: Annotated[str, Field(max_length=120)] = ""
    modes: Annotated[list[Mode], Field(min_length=1)] = ["away", "stay"]
    exit_delay: PerMode = {}
    entry_delay: PerMode = {}
    abort_window: Duration = ABORT_WINDOW.default
    cancel_window: Duration = CANCEL_WINDOW.default
    sirens: list[Name] = []
    siren_for: Duration = SIREN_FOR
    cameras: list[Name] = []
    policy: Name | None = None
    exit_restart: bool = True
    auto_stay: bool = False
    swinger: Times = SWINGER.default
    settle: Duration = SETTLE.default
    owners: list[Name] = []
    arming: Arming | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    def exit_for(self, mode: str) -> int:
        """The exit delay of this mode (µs)."""
        return _of_mode(self.exit_delay, mode, EXIT_DELAY.default)

    def entry_for(self, mode: str) -> int:
        """The entry delay of this mode (µs)."""
        return _of_mode(self.entry_delay, mode, ENTRY_DELAY.default)

    @model_validator(mode="after")
    def _sense(self) -> Partition:
        if self.abort_window > 10 * MINUTE:
            raise ValueError("an abort_window of more than 10m keeps help away for too long")
        if not 0 < self.siren_for <= 60 * MINUTE:
            raise ValueError("siren_for is more than nothing and at most 1h: a siren that never ends helps nobody")
        if self.settle > 10 * MINUTE:
            raise ValueError("settle is at most 10m: until then nothing that was found is told")
        if self.auto_stay and not {"away", "stay"} <= set(self.modes):
            raise ValueError("auto_stay needs the modes away and stay")
        if self.arming is not None and self.owners:
            raise ValueError("a partition with owners is armed when they are, and by no timetable")
        return self


def _of_mode(delays: dict[str, int], mode: str, default: int) -> int:
    return delays.get(mode, delays.get("", default))


class Cross(Strict):
    """Alarm only if `count` of this zone and `zones` are active within this time."""

    zones: Annotated[list[Name], Field(min_length=1)]
    count: Annotated[int, Field(ge=2)] = 2
    within: Duration = MINUTE

    @model_validator(mode="after")
    def _possible(self) -> Cross:
        if self.count > 1 + len(set(self.zones)):
            raise ValueError(f"count {self.count} can never be reached: with this zone they are {1 + len(self.zones)}")
        if self.within == 0:
            raise ValueError("within 0s no two zones are ever active; write for example 60s")
        return self


class Supervision(Strict):
    """How long the device may be silent while the partition is armed, and while it is not."""

    armed: Duration
    disarmed: Duration

    @model_validator(mode="after")
    def _possible(self) -> Supervision:
        if self.armed == 0 or self.disarmed == 0:
            raise ValueError("no device is heard all the time; write for example {armed: 20m, disarmed: 4h}")
        return self


class Zone(Strict):
    """One supervised input and what it means. `modes` are those in which it counts; left out, its type says."""

    id: Name
    name: Annotated[str, Field(max_length=120)] = ""
    device: Name
    type: ZoneType
    partition: Name
    modes: Annotated[list[Mode] | None, Field(min_length=1)] = None
    entry_delay: PerMode | None = None
    silent: bool | None = None
    cross: Cross | None = None
    swinger: Times | None = None
    supervision: Supervision | None = None
    bypassable: bool | None = None
    severity: Severity | None = None
    arms: Mode | None = None
    momentary: bool | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    @property
    def is_silent(self) -> bool:
        """Whether nobody on site is to notice: a hold-up is, unless the document says otherwise."""
        return self.type == "hold_up" if self.silent is None else self.silent

    @property
    def may_be_bypassed(self) -> bool:
        """Whether somebody may leave it out until the next disarming."""
        return self.type not in UNBYPASSABLE if self.bypassable is None else self.bypassable

    @property
    def is_momentary(self) -> bool:
        """Whether each turn of a key switch arms or disarms; else its position does."""
        return self.momentary is not False

    def counts_in(self, mode: str) -> bool:
        """Whether it reacts when its partition is armed in this mode."""
        if self.type not in ARMED_TYPES:
            return True
        if self.modes is not None:
            return mode in self.modes
        return mode == "away" or self.type in ("entry_exit", "perimeter")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Zone:
        if self.modes is not None and self.type not in ARMED_TYPES:
            raise ValueError(f"{self._a} counts in every mode and when disarmed: leave `modes` out")
        if self.entry_delay is not None and self.type != "entry_exit":
            raise ValueError(f"{self._a} has no entry_delay; entry_exit zones have")
        if self.silent and self.type not in SILENCEABLE:
            raise ValueError(f"{self._a} is never silent: {', '.join(SILENCEABLE)} can be")
        if self.cross is not None and self.type not in CROSSABLE:
            raise ValueError(f"{self._a} rings by itself: cross is for {', '.join(CROSSABLE)}")
        if self.swinger is not None and self.type in ALWAYS_RINGS:
            raise ValueError(f"{self._a} is never shut down: leave `swinger` out")
        if self.type != "key_switch" and (self.arms is not None or self.momentary is not None):
            raise ValueError(f"{self._a} has no `arms` and no `momentary`; key_switch zones have")
        return self

    @property
    def _a(self) -> str:
        return f"zone {self.id} of type {self.type}"
