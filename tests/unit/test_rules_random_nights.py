"""Nights nobody thought of: random rules, random messages, restarts anywhere. No exception, the same actions again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules import wire
from rules.actions import Action, Append, Note, Pulse, SetLevel
from rules.document.places import Places
from rules.document.site import Site
from rules.engine import Engine
from rules.events import (
    EVENTS,
    Boot,
    ClockStepped,
    CommandReceived,
    DeviceEvent,
    EffectCommanded,
    Event,
    TimePassed,
)
from rules.incidents import ENTRY_KINDS, Entry, fold
from tests.examples import examples
from tests.unit.playbook import GATEWAY, SECOND, SITE

SHA = "a" * 64
BUILDING = Places(text=SITE.removesuffix("rules:\n"), file="site.yaml").data
START = 1_768_427_402_000_000
TYPES = {"door": "contact", "hatch": "contact", "eye": "motion", "siren": "siren", "bolt": "output", "cam": "camera"}
TELLS = {
    "contact": ["contact.opened", "contact.closed", "tamper.opened", "device.lost"],
    "motion": ["motion.started", "motion.ended"],
    "siren": ["output.reported"],
    "output": ["output.reported"],
    "camera": ["camera.lost", "camera.restored"],
}
MORE: dict[str, dict[str, Any]] = {
    "code.entered": {"digest": "d" * 64},
    "card.read": {"digest": "d" * 64},
    "key.pressed": {"key": "panic"},
    "input.reported": {"state": "short"},
    "camera.lost": {"reason": "r"},
    "device.lost": {"reason": "r"},
}
SOURCES = [(kind, device) for device, family in TYPES.items() for kind in TELLS[family]]
DURATIONS = st.sampled_from(["0s", "1ms", "5s", "30s", "1m", "10m"])

CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.just({"schedule": "night"})
    | st.tuples(st.sampled_from(SOURCES), DURATIONS).map(
        lambda made: {"recent": {"event": made[0][0], "device": made[0][1], "within": made[1]}}
    )
    | st.tuples(st.sampled_from(["door", "hatch"]), st.sampled_from(["open", "closed", "unknown"])).map(
        lambda made: {"state": {"device": made[0], "is": made[1]}}
    ),
    lambda inner: (
        inner.map(lambda each: {"not": each})
        | st.lists(inner, min_size=1, max_size=2).map(lambda each: {"all": each})
        | st.lists(inner, min_size=1, max_size=2).map(lambda each: {"any": each})
    ),
    max_leaves=4,
)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rules any site may have; most listen to the doors, so that something happens."""
    made = []
    for n in range(draw(st.integers(1, 4))):
        kind, device = draw(st.sampled_from([*SOURCES, *SOURCES[:2] * 4, *SOURCES[4:6] * 4]))
        then: list[dict[str, Any]] = []
        if draw(st.booleans()):
            then.append({"open_incident": {"severity": "high", "title": "{{ device.name }}", "group": draw(DURATIONS)}})
            then += [{"save_clip": {"cameras": ["cam"], "pre": "5s", "post": "5s"}}] * draw(st.integers(0, 2))
            then += [{"notify": {"policy": "guards"}}] * draw(st.integers(0, 1))
        for _ in range(draw(st.integers(0 if then else 1, 3))):
            output = draw(st.sampled_from(["siren", "bolt"]))
            command: dict[str, Any] = {"device": output, "set": draw(st.sampled_from(["on", "off"]))}
            if draw(st.booleans()) and (output == "bolt" or command["set"] == "on"):
                command["for"] = draw(DURATIONS)
            then.append(draw(st.sampled_from([{"command": command}, {"pulse": {"device": output}}])))
        conditions = draw(st.lists(CONDITIONS, max_size=2))
        rule = {"id": f"r{n}", "name": f"Rule {n}", "when": {"event": kind, "device": device}, "then": then}
        made.append(rule | ({"if": conditions} if conditions else {}))
    return made


def site_of(made: list[dict[str, Any]]) -> Site:
    return Site.model_validate(BUILDING | {"rules": made})


def body_of(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if kind == "output.reported":
        return {"on": draw(st.booleans())}
    if kind.startswith("reading."):
        return {"value": draw(st.floats(-50, 100))}
    return {"reason": "gone"} if kind.endswith(".lost") else {}


Step = Callable[[list[str]], Event | Entry]


@st.composite
def nights(draw: st.DrawFn) -> list[Step]:
    """Facts in the order of the log. Incidents are only known when the night is played, so entries are made then."""
    steps: list[Step] = []
    gt, wall = 1_000 * SECOND, START
    for n in range(draw(st.integers(1, 25))):
        passed = draw(st.sampled_from([0, 1, SECOND, 5 * SECOND, 29 * SECOND, 61 * SECOND, 3600 * SECOND]))
        gt, wall = gt + passed, wall + passed + draw(st.sampled_from([0] * 9 + [-(10**12), 10**12]))
        header: dict[str, Any] = {"id": f"{n:08x}-0000-7000-8000-000000000000", "gt": gt, "wall": wall}
        what = draw(
            st.sampled_from(["door"] * 6 + ["any"] * 6 + ["time"] * 3 + ["boot", "command", "step"] + ["entry"] * 3)
        )
        if what in ("door", "any"):
            kind, device = draw(st.sampled_from([*SOURCES[:2], *SOURCES[4:6]] if what == "door" else SOURCES))
            delivery = draw(st.sampled_from(["live"] * 6 + ["retained", "redelivered", "late"]))
            body = body_of(draw, kind) | {"device": device, "delivery": delivery}
            fact: Event = EVENTS[kind](**header, **body)
        elif what == "time":
            fact = TimePassed(**header)
        elif what == "boot":
            off = draw(st.none() | st.integers(0, 10**9))
            fact = Boot(**header, software="0", epoch="e", off_time=off, clean=draw(st.booleans()))
        elif what == "step":
            fact = ClockStepped(**header, step=5)
        elif what == "command":
            name = draw(st.sampled_from(["silence", "silence", "unlock"]))
            args = draw(st.sampled_from([{"device": "siren"}, {"device": "bolt"}, {}]))
            fact = CommandReceived(**header, command="c", name=name, args=args, actor="ada", outlet="cloud")
        else:
            steps.append(entry_step(draw, n, wall))
            continue
        steps.append(lambda _, fact=fact: fact)  # type: ignore[misc]
    return steps


def entry_step(draw: st.DrawFn, n: int, wall: int) -> Step:
    kind, lamport = draw(st.sampled_from(ENTRY_KINDS)), draw(st.integers(1, 30))
    which = draw(st.integers(0, 5))

    def make(incidents: list[str]) -> Entry:
        incident = incidents[which % len(incidents)] if incidents and which else f"elsewhere-{which}"
        body: dict[str, Any] = {"into": "other"} if kind == "incident.merged" else {}
        return Entry(
            id=f"{n:08x}-0000-8000-8000-000000000000",
            kind=kind,
            incident=incident,
            lamport=lamport,
            origin="relay",
            wall=wall,
            by="Ada",
            body=body,
        )

    return make


def play(site: Site, steps: list[Step], *, restarts: set[int] = frozenset(), log: bool = False) -> list[list[Action]]:  # type: ignore[assignment]
    """The actions of each step. `restarts` are steps before which the engine is snapshotted and restored; `log` also
    feeds it everything it had written, as a replay of the log would."""
    engine = Engine(site=site, site_sha256=SHA, origin=GATEWAY)
    incidents: list[str] = []
    played: list[list[Action]] = []
    for n, step in enumerate(steps):
        if n in restarts:
            engine = Engine.restore(engine.snapshot(), site=site, site_sha256=SHA, origin=GATEWAY)
        actions = engine.step(step(incidents))
        for action in actions:
            if isinstance(action, Append) and action.entry.incident not in incidents:
                incidents.append(action.entry.incident)
            if log and isinstance(action, Append | Note):
                assert engine.step(action.entry if isinstance(action, Append) else action.event) == []
        played.append(actions)
    return played


@given(rules(), nights(), st.sets(st.integers(0, 24)))
@examples(150)
def test_no_night_breaks_the_engine_and_every_replay_is_the_same(
    made: list[dict[str, Any]], steps: list[Step], restarts: set[int]
) -> None:
    site = site_of(made)
    played = play(site, steps)
    assert play(site, steps) == played
    assert play(site, steps, restarts=restarts) == played
    assert play(site, steps, restarts=set(range(25)), log=True) == played


@given(rules(), nights())
@examples(100)
def test_what_holds_in_every_night(made: list[dict[str, Any]], steps: list[Step]) -> None:
    site = site_of(made)
    incidents: list[str] = []
    ids: set[str] = set()
    told: dict[str, list[Entry]] = {}
    engine = Engine(site=site, site_sha256=SHA, origin=GATEWAY)
    for step in steps:
        fact = step(incidents)
        if isinstance(fact, Entry):
            told.setdefault(fact.incident, []).append(fact)
        actions = engine.step(fact)
        noted = {
            action.event.action
            for action in actions
            if isinstance(action, Note) and isinstance(action.event, EffectCommanded)
        }
        for action in actions:
            if isinstance(action, SetLevel | Pulse):
                assert action.id in noted, "commanded and not logged"
            if isinstance(action, Pulse):
                assert isinstance(fact, DeviceEvent)
                assert fact.delivery == "live", "a pulse from a message that may be a repeat"
            if isinstance(action, Append):
                if action.entry.incident not in incidents:
                    incidents.append(action.entry.incident)
                before = told.setdefault(action.entry.incident, [])
                assert action.entry.lamport > max((entry.lamport for entry in before), default=0)
                if action.entry.kind == "incident.evidence" and action.entry.cause == fact.id and before:
                    state = fold(before, now=0).state
                    assert state not in ("resolved", "merged"), "joined an incident nobody looks at any more"
                before.append(action.entry)
            if isinstance(action, Append | Note):
                written = action.entry if isinstance(action, Append) else action.event
                assert written.id not in ids, "an id is used twice"
                ids.add(written.id)
                record = wire.read(wire.encode(written))
                assert (wire.entry(record) if isinstance(action, Append) else wire.event(record)) == written
        wake = engine.next_wake()
        if isinstance(fact, TimePassed):
            assert wake is None or wake > fact.gt, "rang, and what it rang for is still there"


_TOLD = sorted(kind for kind, event in EVENTS.items() if issubclass(event, DeviceEvent))


@given(st.lists(st.sampled_from(_TOLD)), st.text(max_size=5))
@examples(60)
def test_devices_the_site_does_not_know_are_no_harm(kinds: list[str], device: str) -> None:
    engine = Engine(site=site_of([]), site_sha256=SHA, origin=GATEWAY)
    for n, kind in enumerate(kinds):
        body: dict[str, Any] = (
            {"on": True} if kind == "output.reported" else {"value": 1.0} if "reading" in kind else {}
        )
        body |= MORE.get(kind, {})
        assert engine.step(EVENTS[kind](id=str(n), gt=n, wall=n, device=device, **body)) == []  # type: ignore[call-arg]
    Engine.restore(engine.snapshot(), site=site_of([]), site_sha256=SHA, origin=GATEWAY)
