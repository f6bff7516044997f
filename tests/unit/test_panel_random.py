"""Houses and nights nobody thought of: nothing breaks, everything is the same again, and no alarm is swallowed, also
when the wall clock steps by an hour, a day or to 1970."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.actions import Action, Append, Note, WakeMe
from rules.document.site import Site, load_site
from rules.events import (
    EVENTS,
    Boot,
    ClockStepped,
    CommandReceived,
    ContactClosed,
    ContactOpened,
    DeviceEvent,
    Event,
    InputReported,
    TimePassed,
)
from tests.examples import examples
from tests.unit.panel_kit import CONTACTS, ZONES, PanelEngine, document
from tests.unit.playbook import GATEWAY, SECOND

START = 1_768_417_200 * SECOND
SHA = "b" * 64
PARTITION = st.sampled_from(
    [
        "",
        "abort_window: 0s",
        "exit_delay: 0s, cameras: [cam], policy: guards",
        "entry_delay: 0s, swinger: 1",
        "settle: 0s, auto_stay: true",
        "exit_delay: {away: 45s, stay: 0s}, siren_for: 10s, cancel_window: 10s",
    ]
)
CROSS = "cross: {zones: [study-motion, hallway], within: 30s}"
ZONE = st.fixed_dictionaries(
    {},
    optional={
        "lounge-motion": st.sampled_from([CROSS, "modes: [night]", "silent: true"]),
        "kitchen-window": st.sampled_from(["supervision: {armed: 1m, disarmed: 2m}", "bypassable: false"]),
        "safe": st.sampled_from(["cross: {zones: [skylight]}", "swinger: 0"]),
        "key": st.sampled_from(["momentary: false", "arms: night"]),
        "front-door": st.sampled_from(["entry_delay: 0s", "modes: [away]"]),
    },
)
UNTIL = ["0", "1", str(20 * SECOND), str(61 * SECOND)]
MODES = st.sampled_from(["away", "stay", "night", "custom"])
SUBJECTS = st.sampled_from(list(ZONES))


def _wish(name: str, **args: str) -> tuple[str, dict[str, str]]:
    return name, args


COMMANDS = st.one_of(
    st.builds(_wish, st.just("arm"), partition=st.just("house"), mode=MODES, force=st.sampled_from(["yes", "no"])),
    st.builds(_wish, st.sampled_from(["disarm", "disarm", "clear", "silence"]), partition=st.just("house")),
    st.builds(_wish, st.sampled_from(["unbypass", "unisolate", "end_test"]), zone=SUBJECTS),
    st.builds(_wish, st.just("bypass"), zone=SUBJECTS, reason=st.just("r")),
    st.builds(_wish, st.just("isolate"), zone=SUBJECTS, reason=st.just("r"), until=st.sampled_from(UNTIL)),
    st.builds(_wish, st.just("test"), zone=SUBJECTS, until=st.sampled_from(UNTIL)),
)
ASIDE = ["tamper.opened", "tamper.closed", "device.lost", "device.restored", "battery.low", "battery.restored"]
PASSED = [0, 1, SECOND, 5 * SECOND, 29 * SECOND, 30 * SECOND, 60 * SECOND, 61 * SECOND, 3600 * SECOND]


@st.composite
def nights(draw: st.DrawFn) -> list[Event]:
    """Facts in the order of the log, on a wall clock that never steps."""
    facts: list[Event] = []
    gt = 1_000 * SECOND
    for n in range(draw(st.integers(5, 40))):
        gt += draw(st.sampled_from(PASSED))
        header: dict[str, Any] = {"id": f"{n:08x}-0000-7000-8000-000000000000", "gt": gt, "wall": START + gt}
        delivery: Any = draw(st.sampled_from(["live"] * 7 + ["retained", "redelivered", "late"]))
        device = draw(st.sampled_from(CONTACTS[:6] * 2 + CONTACTS))
        what = draw(st.sampled_from(["open"] * 5 + ["close"] * 3 + ["line", "aside", "time", "boot"] + ["wish"] * 3))
        if what == "open":
            facts.append(ContactOpened(**header, device=device, delivery=delivery))
        elif what == "close":
            facts.append(ContactClosed(**header, device=device, delivery=delivery))
        elif what == "line":
            state: Any = draw(st.sampled_from(["normal", "active", "short", "open"]))
            facts.append(InputReported(**header, device="line", delivery=delivery, state=state))
        elif what == "aside":
            kind = draw(st.sampled_from(ASIDE))
            body: dict[str, Any] = {"reason": "r"} if kind == "device.lost" else {}
            facts.append(EVENTS[kind](**header, device=device, delivery=delivery, **body))  # type: ignore[call-arg]
        elif what == "time":
            facts.append(TimePassed(**header))
        elif what == "boot":
            off = draw(st.sampled_from([None, 0, 10 * SECOND]))
            facts.append(Boot(**header, software="1", epoch="e", off_time=off, clean=draw(st.booleans())))
        else:
            name, args = draw(COMMANDS)
            facts.append(CommandReceived(**header, command=f"c{n}", name=name, args=args, actor="ada", outlet="cloud"))
    return facts


@st.composite
def houses(draw: st.DrawFn) -> Site:
    """A house; in some of them everything was heard of once, by the facts of the night's beginning."""
    return load_site(document(partition=draw(PARTITION), zones=draw(ZONE)), "house.yaml")


def beginning() -> list[Event]:
    """Everything says once that it is normal."""
    return [
        ContactClosed(id=f"{n:08x}-0000-7000-8001-000000000000", gt=n, wall=START + n, device=device)
        for n, device in enumerate(CONTACTS)
    ]


def engine_of(site: Site) -> PanelEngine:
    return PanelEngine(site=site, site_sha256=SHA, origin=GATEWAY)


def play(site: Site, facts: list[Event], *, restarts: bool = False, log: bool = False) -> list[list[Action]]:
    engine = engine_of(site)
    played = []
    for fact in facts:
        if restarts:
            restored = PanelEngine.restore(engine.snapshot(), site=site, site_sha256=SHA, origin=GATEWAY)
            assert isinstance(restored, PanelEngine)
            engine = restored
        actions = engine.step(fact)
        for action in actions if log else []:
            if isinstance(action, Append | Note):
                assert engine.step(action.entry if isinstance(action, Append) else action.event) == []
        played.append(actions)
    return played


@given(houses(), st.booleans(), nights())
@examples(40)
def test_every_night_is_the_same_again(site: Site, settled: bool, night: list[Event]) -> None:
    facts = (beginning() if settled else []) + night
    played = play(site, facts)
    assert play(site, facts, restarts=True) == played
    assert play(site, facts, log=True) == played


@given(houses(), nights())
@examples(40)
def test_it_makes_no_difference_who_wakes_the_engine(site: Site, night: list[Event]) -> None:
    facts = [*beginning(), *night]
    asleep = [fact for fact in facts if not isinstance(fact, TimePassed)]
    last = TimePassed(id="f", gt=facts[-1].gt + 1, wall=facts[-1].wall + 1)

    def done(played: list[list[Action]]) -> list[Action]:
        return [action for actions in played for action in actions if not isinstance(action, WakeMe)]

    assert done(play(site, [*asleep, last])) == done(play(site, [*facts, last]))


@given(houses(), nights(), st.sampled_from([3600, -3600, 86_400, -86_400, -START // SECOND]), st.integers(0, 30))
@examples(40)
def test_a_wall_clock_that_steps_changes_nothing(site: Site, night: list[Event], step: int, when: int) -> None:
    """But the wall times that are written down: the same things happen at the same gateway times."""
    facts = [*beginning(), *night]
    when = min(when + len(CONTACTS), len(facts) - 1)
    moved = [replace(fact, wall=max(0, fact.wall + step * SECOND)) for fact in facts[when:]]
    stepped = ClockStepped(id="s", gt=facts[when].gt, wall=moved[0].wall, step=step * SECOND)

    def shown(played: list[list[Action]]) -> list[tuple[Any, ...]]:
        lines: list[tuple[Any, ...]] = []
        for actions in played:
            for action in actions:
                if isinstance(action, Note):
                    lines.append((action.event.kind, action.event.about, action.event.gt))
                elif isinstance(action, Append):
                    lines.append((action.entry.kind, action.entry.body.get("title"), action.entry.gt))
        return lines

    steady, jumped = shown(play(site, facts)), shown(play(site, [*facts[:when], stepped, *moved]))
    assert steady == jumped


@given(houses(), st.booleans(), nights())
@examples(60)
def test_no_activation_is_swallowed(site: Site, settled: bool, night: list[Event]) -> None:
    """A zone that becomes active leaves a word why; where somebody relied on it, a fact."""
    engine = engine_of(site)
    zones = {zone.device: zone for zone in site.zones}
    for fact in (beginning() if settled else []) + night:
        engine.step(TimePassed(id=f"t-{fact.id}", gt=fact.gt, wall=fact.wall))
        zone = zones.get(fact.device) if isinstance(fact, DeviceEvent) else None
        before = engine.panel.describe(zone.id) if zone is not None else {}
        actions = engine.step(fact)
        active = isinstance(fact, ContactOpened) or (isinstance(fact, InputReported) and fact.state == "active")
        if zone is None or not active or (before["condition"] == "active" and fact.delivery != "late"):  # type: ignore[attr-defined]
            continue
        assert any(why.subject == f"zone {zone.id}" for why in engine.trace), "not a word"
        facts = [action.event for action in actions if isinstance(action, Note)]
        kinds = {event.kind for event in facts if event.about in (zone.id, "house")}
        settles = f"settled {zone.partition}" in before["timers"]
        running = f"entry {zone.partition}" in before["timers"]
        waits = f"cross {zone.id}" in engine.panel.describe(zone.id)["timers"]
        if before["answer"] in ("alarm", "enter", "switch") and not (settles or running or waits):
            assert kinds & {
                "zone.alarmed", "zone.ignored", "zone.tested", "partition.entering", "partition.exiting",
                "partition.disarmed", "partition.refused", "partition.armed",
            } or before["type"] == "key_switch", before  # fmt: skip


@given(houses(), nights())
@examples(40)
def test_what_begins_ends_or_still_holds(site: Site, night: list[Event]) -> None:
    """Every alarm, tamper, trouble and bypass that is over was said to be over, once; none twice in between."""
    pairs = {
        "zone.restored": "zone.alarmed", "zone.untampered": "zone.tampered", "zone.unbypassed": "zone.bypassed",
        "zone.unisolated": "zone.isolated", "zone.off_test": "zone.on_test", "zone.untroubled": "zone.troubled",
    }  # fmt: skip
    holding: set[tuple[str, str, str]] = set()
    for actions in play(site, [*beginning(), *night]):
        for action in actions:
            if not isinstance(action, Note):
                continue
            event = action.event
            trouble = getattr(event, "trouble", "")
            if event.kind in pairs:
                begun = (pairs[event.kind], event.about, trouble)
                known_open = event.kind == "zone.untampered"  # a case that was open before anybody knew
                assert begun in holding or known_open, f"{event.kind} of {event.about} ends nothing"
                holding.discard(begun)
            elif event.kind in pairs.values():
                holding.add((event.kind, event.about, trouble))
