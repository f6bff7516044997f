"""What the engine remembers: plain data that goes into a snapshot and comes back equal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rules.access.memory import AccessMemory
from rules.calendar.memory import CalendarMemory
from rules.errors import SnapshotError
from rules.panel.memory import PanelMemory
from rules.plain import plain, typed
from rules.rulebook.memory import RuleMemory
from rules.timers import Timer

if TYPE_CHECKING:
    from rules.document.site import Site

ENGINE_VERSION = 3


@dataclass(slots=True)
class Level:
    """An output the engine holds: which decision, what value, until when (gateway time), and for how long in all."""

    action: str
    rule: str
    value: str
    until: int | None
    duration: int | None


@dataclass(slots=True)
class Known:
    """An incident as far as the engine must know it: to count on its entries and to group by maker. `first` and `last`
    are gateway times of its first and last trigger, `joins` counts the further ones. `over` and `reopened` are the
    lamports of the last such entries (0: none): entries of two relays come in any order."""

    lamport: int
    rule: str | None
    last: int
    first: int = 0
    joins: int = 0
    severity: str = ""
    covert: bool = False
    over: int = 0
    reopened: int = 0

    @property
    def closed(self) -> bool:
        """Whether a further trigger must open a new incident: joining a settled one would tell nobody."""
        return self.over > 0 and self.over >= self.reopened


@dataclass(slots=True)
class State:
    """The whole memory. `devices` is what each device last said, `last_seen` is keyed by `kind subject`, `timers` by
    their key; times are gateway time in µs. Each machine keeps what it alone knows in a section of its own."""

    gt: int = 0
    devices: dict[str, str] = field(default_factory=dict)
    last_seen: dict[str, int] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    incidents: dict[str, Known] = field(default_factory=dict)
    panel: PanelMemory = field(default_factory=PanelMemory)
    access: AccessMemory = field(default_factory=AccessMemory)
    calendar: CalendarMemory = field(default_factory=CalendarMemory)
    rules: RuleMemory = field(default_factory=RuleMemory)

    def fit(self, site: Site) -> None:
        """Forget what a changed site has no more: what still has a device stays as it is."""
        known = {device.id for device in site.devices}
        subjects = known | site.subjects()
        self.devices = {name: value for name, value in self.devices.items() if name.partition("/")[0] in known}
        self.last_seen = {name: at for name, at in self.last_seen.items() if name.partition(" ")[2] in subjects}
        outputs = {device.id for device in site.devices if device.switched}
        self.levels = {name: level for name, level in self.levels.items() if name in outputs}
        for section in (self.panel, self.access, self.calendar, self.rules):
            section.fit(site)
        self.timers = {key: timer for key, timer in self.timers.items() if self._has_owner(key, subjects)}

    def _has_owner(self, key: str, subjects: set[str]) -> bool:
        machine, _, subject = key.split(" ", 2)
        return subject in (self.levels if machine == "level" else subjects)


def dump(state: State, *, site_sha256: str) -> bytes:
    """A snapshot: the same history gives the same bytes, and what was first stays first."""
    whole = {"engine": ENGINE_VERSION, "site": site_sha256, "state": plain(state)}
    return json.dumps(whole, separators=(",", ":")).encode()


def parse(data: bytes, *, older: bool = False) -> tuple[State, str]:
    """A state and the SHA-256 of the site document it was made under. `older`: also one of an older engine, as far as
    it can be read as ours. SnapshotError when it cannot be used."""
    try:
        whole: dict[str, Any] = json.loads(data)
        if whole["engine"] != ENGINE_VERSION and not (older and whole["engine"] < ENGINE_VERSION):
            raise SnapshotError(f"the snapshot is of engine {whole['engine']}, this is engine {ENGINE_VERSION}")
        return typed(State, whole["state"]), str(whole["site"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {type(error).__name__}") from None
