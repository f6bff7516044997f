"""Why it rang, and why it did not: a stored night walked up to one second, and what decided about one subject in it.

Theory of operation. The records before the second are stepped as they were. Before each fact of the second itself, what
was due is decided and how the subject stands is written down; a rule is asked, by each fact, for every condition it
has. Then the fact is stepped, and the lines its trace has about the subject say what was decided. Where nothing was
decided at all, the answer is what the subject was last told, and when.

A zone, a partition or a door rings by itself. What a rule (or a door, or the panel) does because of the same devices is
shown with its name, and is its own ringing.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rules import ids
from rules.actions import Action
from rules.document import nearest
from rules.document.site import Site
from rules.engine import Engine
from rules.events import DeviceEvent, EffectCommanded, Event, TimePassed
from rules.incidents import Entry
from rules.plain import plain
from rules.scenario.lines import on_the_wall, say
from rules.scenario.times import spoken
from rules.timetable import zone as zone_named
from rules.turn import Why
from rules.walk import Fact, Recorded, Stepped, Walk, outcomes, where

Kind = Literal["zone", "partition", "door", "rule"]
_EARLIER = 5
_NUMBERED = re.compile(r"condition (\d+) did not hold")
# What is ringing, beside outputs and incidents; and facts that say by themselves why nothing rang.
_RINGS = ("zone.alarmed", "zone.tampered", "door.forced", "door.held", "panic.raised")
_REFUSALS = ("zone.ignored", "zone.tested", "access.denied", "partition.refused", "code.refused", "rule.muted")


@dataclass(frozen=True, slots=True)
class Moment:
    """One fact that had to do with the subject: what happened, what was decided and why, what followed. `asked` is a
    rule's answer for each of its conditions."""

    wall: int
    gt: int
    happened: str
    trace: list[str]
    followed: list[str]
    asked: list[str]


@dataclass(slots=True)
class Explanation:
    """`stood` is how the subject stood before the first fact of the second (at its end when there was none), `because`
    the one line that decided. `earlier` are the last moments before."""

    kind: str
    name: str
    at: int
    rang: bool = False
    because: str = ""
    document: int = 0
    sha256: str = ""
    stood: dict[str, Any] = field(default_factory=dict)
    timers: dict[str, str] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    earlier: list[Moment] = field(default_factory=list)


def known(site: Site, kind: Kind) -> list[str]:
    """The names of this kind in a site."""
    parts: dict[Kind, Sequence[Any]] = {
        "zone": site.zones, "partition": site.partitions, "door": site.doors, "rule": site.rules,
    }  # fmt: skip
    return [str(part.id) for part in parts[kind]]


def explain(walk: Walk, records: Iterable[bytes], *, kind: Kind, name: str, at: int, until: int) -> Explanation:
    """What decided about this subject from wall time `at` until before `until` (µs). LookupError when the document in
    force knows no such subject."""
    return _Watch(walk, kind, name, at, until).through(records)


class _Watch:
    def __init__(self, walk: Walk, kind: Kind, name: str, at: int, until: int) -> None:
        self._walk = walk
        self._kind: Kind = kind
        self._name = name
        self._at = at
        self._until = until
        self._found = Explanation(kind, name, at)
        self._earlier: deque[Moment] = deque(maxlen=_EARLIER)
        self._due: list[Action] = []
        self._due_trace: list[Why] = []
        self._asked: list[str] = []
        self._version = ""
        self._devices: frozenset[str] = frozenset()
        self._labels: frozenset[str] = frozenset()
        self._zone: ZoneInfo = zone_named("UTC")
        self._rules: frozenset[str] = frozenset()
        self._rung = ""  # the first fact that rang, with what it came of
        self._sounded: list[str] = []  # what rang then, where something else is asked about
        self._first: int | None = None  # wall times of the first and last input that was looked at
        self._last: int | None = None
        self._ended = True  # whether the log ended before the second was over

    def through(self, records: Iterable[bytes]) -> Explanation:
        """Walk, look, and say."""
        walk, found = self._walk, self._found
        walk.look = self._look
        for one in walk.through(records, expected=lambda _: False):
            if isinstance(one, Recorded):
                continue
            self._take(one)
            if isinstance(one.fact, Entry):
                continue
            self._first = one.fact.wall if self._first is None else self._first
            self._last = one.fact.wall
            if one.fact.wall >= self._until:
                self._ended = False
                break
        if not found.stood:
            self._learn_document()
            self._stand()
        if self._name not in known(walk.version.site, self._kind):
            names = known(walk.version.site, self._kind)
            hint = nearest(self._name, names) or f"; it has {', '.join(names) or 'none'}"
            raise LookupError(f"the document in force then has no {self._kind} {self._name}{hint}")
        found.earlier = list(self._earlier)
        found.rang = bool(self._rung)
        found.because = self._because() + self._others()
        return found

    # --- on the way ---

    def _look(self, fact: Fact) -> None:
        """Before a fact is stepped."""
        self._due, self._due_trace, self._asked = [], [], []
        self._learn_document()
        if isinstance(fact, Entry) or fact.wall < self._at:
            return
        over = max(0, fact.wall - self._until)  # what is due after the second is none of its business
        gt = max(self._walk.engine.state.gt, fact.gt - over)
        before = TimePassed(id=ids.derived(fact.id, "explain"), gt=gt, wall=fact.wall - over, clock=fact.clock)
        self._due = self._walk.step(before)
        engine = self._walk.engine
        self._due_trace = list(engine.trace)
        if not self._found.stood:
            self._stand()
        if self._kind == "rule" and fact.wall < self._until and not isinstance(fact, TimePassed):
            try:
                self._asked = engine.ask(self._name, fact)
            except Exception as error:  # noqa: BLE001 - a fault of the program; the step says it as well
                self._asked = [f"it could not be asked: {where(error)}"]

    def _take(self, one: Stepped) -> None:
        """After it was stepped."""
        fact = one.fact
        if isinstance(fact, Entry):
            return
        trace = [*self._due_trace, *self._walk.engine.trace]
        followed = [made for made in outcomes([*self._due, *one.actions]) if self._concerns(made)]
        lines = [self._spelt_out(why.text) for why in trace if why.subject in self._labels]
        told = isinstance(fact, DeviceEvent) and fact.device in self._devices
        listened = any(line.startswith(("when matched", "when is")) for line in self._asked)
        if not (told or followed or lines or listened):
            return
        wall = min([fact.wall, *(made.wall for made in followed)])
        happened = say(fact, zone=self._zone)
        said = [say(made, zone=self._zone) for made in followed]
        others = [self._by_another(made) for made in followed]
        said = [f"{line} ({other})" if other else line for line, other in zip(said, others, strict=True)]
        moment = Moment(wall, fact.gt, happened, lines, said, self._asked if listened else [])
        if self._at <= wall < self._until:
            self._found.moments.append(moment)
            self._note_what_rang(happened, followed)
        elif wall < self._at:
            last = self._earlier[-1] if self._earlier else None
            if last and (last.happened, last.trace, last.followed) == (happened, lines, said):
                self._earlier.pop()  # the same again, as when every few minutes it is not ready
            self._earlier.append(moment)

    def _by_another(self, made: Event | Entry) -> str:
        """Whose doing it is, where that is not the subject itself: a rule, a door with the same contact, the panel."""
        maker = _maker(made)
        if self._kind == "rule":
            return ""
        if maker in self._rules:
            return f"rule {maker}"
        return maker if maker.startswith("panel " if self._kind == "door" else "door ") else ""

    def _note_what_rang(self, happened: str, followed: list[Event | Entry]) -> None:
        for made in followed:
            line = say(made, zone=self._zone)
            if not _rang(line):
                continue
            if other := self._by_another(made):
                self._sounded.append(other)
            elif not self._rung:
                self._rung = f"{happened}: {line}"

    def _spelt_out(self, line: str) -> str:
        """A condition by what it says, where the trace only has its number."""
        rule = next((rule for rule in self._walk.version.site.rules if rule.id == self._name), None)
        found = _NUMBERED.search(line)
        if self._kind != "rule" or rule is None or found is None or int(found[1]) >= len(rule.if_):
            return line
        said = rule.if_[int(found[1])].model_dump(by_alias=True, exclude_unset=True)
        return f"{line}: {json.dumps(said, ensure_ascii=False)}"

    def _learn_document(self) -> None:
        version = self._walk.version
        if version.sha256 == self._version:
            return
        self._version = version.sha256
        self._found.document, self._found.sha256 = version.number, version.sha256
        self._zone = zone_named(version.site.site.timezone)
        self._rules = frozenset(rule.id for rule in version.site.rules)
        self._devices = frozenset(_devices(version.site, self._kind, self._name))
        self._labels = frozenset({f"{self._kind} {self._name}", *_also(version.site, self._kind, self._name)})

    def _concerns(self, fact: Fact) -> bool:
        if isinstance(fact, Entry):
            makers = (self._name,) if self._kind == "rule" else _makers(self._walk.version.site, self._kind, self._name)
            return str(fact.body.get("rule", "")) in makers or (
                fact.kind == "incident.opened" and fact.body.get("device") in self._devices
            )
        if isinstance(fact, EffectCommanded):
            maker = f"{'panel' if self._kind == 'partition' else self._kind} {self._name} "
            return fact.rule == self._name or f"{fact.rule} ".startswith(maker)
        return bool(getattr(fact, self._kind, None) == self._name)

    def _stand(self) -> None:
        state = self._walk.engine.state
        self._found.stood = dict(_standing(self._walk.engine, self._walk.version.site, self._kind, self._name))
        now = state.gt
        names = {self._name, *(label.partition(" ")[2] for label in self._labels)}
        self._found.timers = {
            key: f"in {spoken(timer.at - now)}"
            for key, timer in sorted(state.timers.items(), key=lambda item: (item[1].at, item[0]))
            if key.split(" ", 2)[2] in names
        }

    def _because(self) -> str:
        """The line that decided: the fact that rang, the reason of a fact that says one, the first condition that did
        not hold, or the last thing the trace has to say."""
        moments = self._found.moments
        followed = [line for moment in moments for line in moment.followed]
        if self._rung:
            return self._rung
        for fault in self._walk.faults:
            if self._at <= fault.fact.wall < self._until:
                what = f"the deadline {fault.timer}" if fault.timer else say(fault.fact, zone=self._zone)
                return f"the program failed at {what}: {fault.reason}; nothing was decided of it"
        for line in followed:
            if line.startswith(_REFUSALS):
                return line
        for line in (line for moment in moments for line in moment.asked):
            if "did not" in line or "not complete" in line or line.startswith("it "):
                return line
        traced = [line for moment in moments for line in moment.trace]
        if traced:
            return f"{traced[-1]}{self._armed()}"
        for moment in moments:
            if moment.followed:
                return f"{moment.happened}: {moment.followed[0]}"
        if moments:
            return f"{moments[-1].happened}, and nothing in it asked for more"
        last = self._earlier[-1] if self._earlier else None
        ago = f"; the last was {last.happened} {_roughly(self._at - last.wall)} before" if last is not None else ""
        return f"nothing happened to it then{ago}{self._outside()}"

    def _outside(self) -> str:
        """That the log has nothing of that time at all, as with the wrong day or hour."""
        if self._first is None or self._last is None:
            return "; the log ends before"
        if self._first >= self._until:
            return f"; the log begins at {on_the_wall(self._first, self._zone)}"
        if self._ended and self._last < self._at:
            return f"; the log ends at {on_the_wall(self._last, self._zone)}"
        return ""

    def _others(self) -> str:
        """Who hears a siren and asks the zone is told what made it sound."""
        if self._rung or not self._sounded:
            return ""
        return f"; what rang then: {', '.join(dict.fromkeys(self._sounded))}"

    def _armed(self) -> str:
        """How the partition stood then, which is the first thing that keeps a zone from ringing."""
        stood = self._found.stood
        if self._kind not in ("zone", "partition") or "state" not in stood:
            return ""
        mode = stood.get("mode", "") if stood["state"] != "disarmed" else ""
        return f" ({stood.get('partition', self._name)} was {stood['state']} {mode}".rstrip() + ")"


def _rang(line: str) -> bool:
    return line.startswith((*_RINGS, "opened ")) or " on for " in line or line.endswith(" on")


def _maker(made: Event | Entry) -> str:
    if isinstance(made, Entry):
        return str(made.body.get("rule", ""))
    return str(made.rule) if isinstance(made, EffectCommanded) else ""


def _roughly(micros: int) -> str:
    """A duration in whole seconds, from one second on."""
    return spoken(micros - micros % 1_000_000 if micros >= 1_000_000 else micros)


def _devices(site: Site, kind: Kind, name: str) -> Iterator[str]:
    """The devices that tell something of it."""
    for zone in site.zones:
        if (kind == "zone" and zone.id == name) or (kind == "partition" and zone.partition == name):
            yield zone.device
    for door in site.doors:
        if kind == "door" and door.id == name:
            parts = (getattr(door, part, None) for part in ("contact", "lock", "rex", "reader", "reader_out"))
            yield from (part for part in parts if isinstance(part, str))


def _also(site: Site, kind: Kind, name: str) -> Iterator[str]:
    """Whose decisions are its own as well: a zone's partition, a partition's zones."""
    for zone in site.zones:
        if kind == "zone" and zone.id == name:
            yield f"partition {zone.partition}"
        if kind == "partition" and zone.partition == name:
            yield f"zone {zone.id}"


def _makers(site: Site, kind: Kind, name: str) -> tuple[str, ...]:
    """What opens incidents for it."""
    if kind == "partition":
        return tuple(
            f"panel {name} {what}"
            for what in ("burglary", "hold_up", "fire", "co", "water", "tamper", "trouble", "technical", "duress")
        )
    return (f"door {name} forced", f"door {name} held") if kind == "door" else ()


def _standing(engine: Engine, site: Site, kind: Kind, name: str) -> Iterator[tuple[str, Any]]:
    """How it stands, but for what is as usual (empty, off, never); timers are said apart."""
    state = engine.state
    stands = engine.describe(kind, name)
    if kind == "partition" and name in state.panel.partitions:
        stands = plain(state.panel.partitions[name])
    usual: tuple[object, ...] = (None, False, 0, "", [], {})
    yield from ((key, value) for key, value in stands.items() if value not in usual and key != "timers")
    for device in _devices(site, kind, name):
        yield f"device {device}", state.devices.get(device, "unknown")
