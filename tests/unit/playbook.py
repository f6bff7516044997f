"""Playbooks: `play >> event << what follows`. Pure; a night takes microseconds.

What the engine wants done is written as short lines, times relative to the event:

    play >> opened("door", at="22:30:00") << ["siren on 60s", "opened Door opened (high) -> guards", "wake 60s"]

Every `>>` also checks, on every step of every playbook, that
- engines restored from the snapshots before each earlier step do exactly the same,
- so does an engine that replays the log: the events and all that was noted and appended because of them,
- no id is used twice, and every fact survives the wire,
- a level or pulse is never sent without the note that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rules import ids, wire
from rules.actions import Action, Append, Note, Pulse, SaveClip, SetLevel, TakeStill, WakeMe
from rules.document import duration
from rules.document.site import Site, load_site
from rules.engine import Engine
from rules.events import (
    EVENTS,
    Boot,
    CommandDecided,
    CommandReceived,
    Delivery,
    EffectCommanded,
    EffectExpired,
    Event,
    TimePassed,
)
from rules.incidents import Entry

GATEWAY = "gw-1"
SECOND = 1_000_000
ZURICH = ZoneInfo("Europe/Zurich")

SITE = """
site: {id: house, name: The House, timezone: Europe/Zurich}
devices:
  - {id: door, name: Server room door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: hatch, type: contact, mqtt: {topic: b/hatch, field: contact, open: false, closed: true}}
  - {id: eye, type: motion, mqtt: {topic: b/eye, field: motion, on: true, off: false}}
  - {id: thermometer, type: temperature, mqtt: {topic: b/thermometer, field: temperature}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, on: ON, off: OFF,
      command: {topic: b/siren/set, on: ON, off: OFF}}}
  - {id: bolt, type: output, mqtt: {topic: b/bolt, field: state, on: ON, off: OFF,
      command: {topic: b/bolt/set, on: ON, off: OFF}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
schedules:
  night: {weekly: [{days: [mon-fri], from: 22:00, to: 06:00}]}
rules:
"""


def site(rules: str) -> str:
    """A site document with these rules (a YAML list)."""
    return SITE + "".join(f"  {line}\n" for line in rules.strip("\n").splitlines())


SIREN = """
- id: alarm
  name: Door opened
  when: {event: contact.opened, device: door}
  then:
    - command: {device: siren, set: on, for: 60s}
"""
INCIDENT = """
- id: alarm
  name: Door opened
  when: {event: contact.opened, device: door}
  then:
    - open_incident: {severity: high, title: "{{ device.name }} opened"}
"""
WHOLE = """
- id: alarm
  name: Door opened at night
  when: {event: contact.opened, device: door}
  if:
    - {schedule: night}
  then:
    - open_incident: {severity: high, title: "{{ device.name }} opened at {{ site.name }}"}
    - save_clip: {cameras: [cam], pre: 10s, post: 30s}
    - command: {device: siren, set: on, for: 60s}
    - pulse: {device: bolt}
    - notify: {policy: guards}
"""


def quiet(condition: str) -> str:
    """A rule that switches the bolt on when the door opens and this condition holds: the smallest visible decision."""
    return f"""
- id: probe
  name: Probe
  when: {{event: contact.opened, device: door}}
  if:
    - {condition}
  then:
    - command: {{device: bolt, set: on}}
"""


class Playbook:
    """One engine, its clock, and all the engines that must agree with it."""

    def __init__(self, rules: str, *, at: str = "2026-01-14 22:30:00") -> None:
        self.text = site(rules)
        self.site = self._load(rules)
        self.sha256 = "a" * 64
        self.engine = self._new()
        self.gt = 1_000 * SECOND
        self.wall = wall(at)
        self.count = 0
        self.actions: list[Action] = []
        self.last: Event | Entry | None = None
        self.incidents: list[str] = []
        self._stated = True
        self._seen: set[str] = set()
        self._shadows: list[Engine] = [self._new()]
        self._from_log = self._new()

    def _load(self, rules: str) -> Site:
        return load_site(site(rules), "playbook.yaml")

    def _restore(self, data: bytes) -> Engine:
        return Engine.restore(data, site=self.site, site_sha256=self.sha256, origin=GATEWAY)

    def _new(self) -> Engine:
        return Engine(site=self.site, site_sha256=self.sha256, origin=GATEWAY)

    def __rshift__(self, step: Callable[[Playbook], Event | Entry]) -> Playbook:
        assert self._stated or not self.actions, f"nobody said what follows from {self.last}: {self.said()}"
        fact = step(self)
        before = self.engine.snapshot()
        self._shadows.append(self._restore(before))
        self.last, self._stated = fact, False
        self.actions = self.engine.step(fact)
        self._check_wire(fact)
        for number, shadow in enumerate(self._shadows):
            assert shadow.step(fact) == self.actions, f"restored before step {number}, the engine acts differently"
            assert shadow.snapshot() == self.engine.snapshot()
        assert self._from_log.step(fact) == self.actions
        self._check_actions()
        return self

    def __lshift__(self, expected: list[str]) -> Playbook:
        said = self.said()
        assert said == expected, "\n".join(["what follows is", *(f"    {line!r}," for line in said)])
        self._stated = True
        return self

    def said(self) -> list[str]:
        """The actions of the last step, each as a line; a level's or pulse's own note goes without saying."""
        return self.said_of()

    def said_of(self) -> list[str]:
        """A line for each action that is shown."""
        return [self._say(action) for action in self.shown()]

    def shown(self) -> list[Action]:
        """The actions of the last step but the notes that go without saying."""
        covered = {action.id for action in self.actions if isinstance(action, SetLevel | Pulse)}
        return [
            action
            for action in self.actions
            if not (
                isinstance(action, Note)
                and isinstance(action.event, EffectCommanded)
                and action.event.action in covered
            )
        ]

    def entries(self) -> list[Entry]:
        """The entries of the last step."""
        return [action.entry for action in self.actions if isinstance(action, Append)]

    def _check_wire(self, fact: Event | Entry) -> None:
        record = wire.read(wire.encode(fact))
        assert (wire.entry(record) if isinstance(fact, Entry) else wire.event(record)) == fact

    def _check_actions(self) -> None:
        expected_notes: set[str] = set()
        for action in self.actions:
            if isinstance(action, Append | Note):
                fact: Event | Entry = action.entry if isinstance(action, Append) else action.event
                assert fact.id not in self._seen, "an id is used twice"
                self._seen.add(fact.id)
                self._check_wire(fact)
                assert self._from_log.step(fact) == []
                if isinstance(fact, EffectCommanded):
                    expected_notes.discard(fact.action)
                if isinstance(fact, Entry) and fact.incident not in self.incidents:
                    self.incidents.append(fact.incident)
            elif isinstance(action, SetLevel | Pulse):
                expected_notes.add(action.id)
        assert not expected_notes, "an output is commanded and the log does not say so"
        assert self._from_log.snapshot() == self.engine.snapshot()

    def _since(self, moment: int) -> str:
        assert isinstance(self.last, Event)
        microseconds = moment - self.last.gt
        seconds = microseconds / SECOND
        return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"

    def _say(self, action: Action) -> str:
        match action:
            case SetLevel():
                return f"{action.device} {action.value}" + (f" {self._since(action.until)}" if action.until else "")
            case Pulse():
                return f"pulse {action.device}"
            case TakeStill():
                return f"still {action.camera}"
            case SaveClip():
                return f"clip {action.camera} -{action.pre // SECOND}s +{action.post // SECOND}s"
            case WakeMe():
                return f"wake {self._since(action.at)}"
            case Append():
                return _say_entry(action.entry)
            case Note(event=EffectExpired() as expired):
                return f"expired {expired.device} ({expired.reason})"
            case Note(event=CommandDecided() as decided):
                return f"{decided.state}: {decided.reason}"
            case Note():
                return f"note {action.event.kind}"


def _say_entry(entry: Entry) -> str:
    name = entry.kind.removeprefix("incident.")
    if name == "opened":
        policy = f" -> {entry.body['policy']}" if "policy" in entry.body else ""
        return f"opened {entry.body['title']} ({entry.body['severity']}){policy}"
    if name == "evidence":
        evidence = entry.body["evidence"]
        if "text" in evidence:
            return f"evidence {evidence['text']}"
        return "evidence " + " ".join(
            f"{what} of {evidence['camera']}" for what in ("still", "clip") if what in evidence
        )
    return name


# --- words ---------------------------------------------------------------------------------------------------------

nothing: list[str] = []
Step = Callable[[Playbook], Event | Entry]


def wall(at: str, *, fold: int = 0) -> int:
    """Wall time in µs of a moment on the clocks of Zurich; `fold=1` is the second of the hour that comes twice."""
    local = datetime.fromisoformat(at).replace(tzinfo=ZURICH, fold=fold)
    return round(local.timestamp() * SECOND)


def fresh(book: Playbook) -> str:
    """An id for the next fact."""
    book.count += 1
    return ids.time_ordered(wall=book.wall, random=book.count.to_bytes(10))


def _header(book: Playbook, after: str | int, at: str | None) -> dict[str, Any]:
    passed = after if isinstance(after, int) else duration(after)
    book.gt += passed
    book.wall = book.wall + passed if at is None else wall(at)
    return {"id": fresh(book), "gt": book.gt, "wall": book.wall}


def told(
    kind: str, device: str, *, after: str | int = "1s", at: str | None = None, by: Delivery = "live", **body: Any
) -> Step:
    """A device tells something, this long after the last event (text or µs), or at a wall time."""
    return lambda book: EVENTS[kind](device=device, delivery=by, **_header(book, after, at), **body)  # type: ignore[call-arg]


def opened(device: str, **words: Any) -> Step:
    """A contact opens."""
    return told("contact.opened", device, **words)


def closed(device: str, **words: Any) -> Step:
    """A contact closes."""
    return told("contact.closed", device, **words)


def passes(after: str | int) -> Step:
    """The engine's timer rings this long after the last event."""
    return lambda book: TimePassed(**_header(book, after, None))


def boots(*, after: str | int = "1s", off: str | None) -> Step:
    """The agent starts; `off` is how long it was off, None when nobody knows. Gateway time covers what is known."""

    def boot(book: Playbook) -> Event:
        off_time = None if off is None else duration(off)
        header = _header(book, (after if isinstance(after, int) else duration(after)) + (off_time or 0), None)
        return Boot(software="0.1.0", epoch="e1", off_time=off_time, clean=False, **header)

    return boot


def asked(name: str, *, after: str | int = "1s", **args: str) -> Step:
    """A guard sends a command through the relay."""
    return lambda book: CommandReceived(
        command=ids.derived("command", book.count),
        name=name,
        args=args,
        actor="guard-1",
        outlet="cloud",
        **_header(book, after, None),
    )


def entry(kind: str, *, incident: int = -1, lamport: int, origin: str = "relay-1", **body: Any) -> Step:
    """Somebody else's entry on an incident of this playbook (the last one opened unless told otherwise)."""
    return lambda book: Entry(
        id=fresh(book),
        kind=f"incident.{kind}",
        incident=book.incidents[incident],
        lamport=lamport,
        origin=origin,
        wall=book.wall,
        by="Ada",
        body=body,
    )
