"""Days nobody thought of: what happens in a world, in the order of the log.

Codes right and wrong, cards, commands from a relay with a code or without, starts, clocks set by an hour, a day or to
1970, messages that come late, twice, or as what the broker kept, and people at relays who act on incidents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from rules.events import EVENTS, Boot, ClockStepped, CommandReceived, Event, TimePassed
from rules.incidents import ENTRY_KINDS, Entry
from tests.unit.kernel_worlds import CARDS, CODES, HOUR, SECOND, WORDS, World

START = 1_768_427_402 * SECOND  # Wednesday 2026-01-14 22:30:02 in Zurich
GT = 1_000 * SECOND
ASIDE = ["tamper.opened", "tamper.closed", "battery.low", "battery.restored", "device.lost", "device.restored"]
WAITS = [0, 0, 1, SECOND, 5 * SECOND, 30 * SECOND - 1, 30 * SECOND, 30 * SECOND + 1, 60 * SECOND, 300 * SECOND]
LONG_WAITS = [*WAITS, *WAITS, HOUR, 12 * HOUR, 49 * HOUR]


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody at a relay acts on the incident number `which` there is by then (or on one made elsewhere)."""

    n: int
    kind: str
    which: int
    lamport: int
    wall: int

    def entry(self, incidents: list[str]) -> Entry:
        """The entry that reaches the engine."""
        incident = incidents[self.which % len(incidents)] if incidents and self.which else f"elsewhere-{self.which}"
        body: dict[str, Any] = {"into": "other"} if self.kind == "incident.merged" else {}
        return Entry(
            id=f"{self.n:08x}-0000-8000-8000-000000000000",
            kind=self.kind,
            incident=incident,
            lamport=self.lamport,
            origin="relay",
            wall=self.wall,
            by="Ada",
            body=body,
        )


Happening = Event | Act
# After how long, what kind, with what in it; "input" is whatever the device says for a condition.
Told = tuple[int, str, dict[str, Any]]


def event(kind: str, header: dict[str, Any], **body: Any) -> Event:
    """A fact of this kind."""
    return EVENTS[kind](**header, **body)


def says(header: dict[str, Any], name: str, family: str, condition: str) -> Event:
    """The word of a device of this type for a condition; what watches no line knows only active and normal."""
    if family == "input":
        return event("input.reported", header, device=name, state=condition)
    active, normal = WORDS[family]
    return event(normal if condition == "normal" else active, header, device=name)


def _said(draw: st.DrawFn, world: World, header: dict[str, Any]) -> Event:
    """One word of one device; sensors of zones most often, and mostly that something is up."""
    readers = world.of_type("reader")
    kinds = ["zone"] * 8 + ["other", "aside", "code", "code", "code", "key", "key"]
    what = draw(st.sampled_from(kinds + (["card"] * 3 + ["door"] * 3 if readers else [])))
    header = header | {"delivery": draw(st.sampled_from(["live"] * 9 + ["retained", "redelivered", "late"]))}
    if what == "code":
        wish = draw(st.sampled_from(["", "", "arm_away", "arm_stay", "disarm"]))
        return event("code.entered", header, device="pad", digest=draw(st.sampled_from(CODES)), wish=wish)
    if what == "key":
        key = draw(st.sampled_from(["arm_away", "arm_away", "arm_stay", "panic", "fire"]))
        return event("key.pressed", header, device="pad", key=key)
    if what == "card":
        return event("card.read", header, device=draw(st.sampled_from(readers)), digest=draw(st.sampled_from(CARDS)))
    places = [name for name in world.types if name.startswith(("leaf-", "rex-"))] if what == "door" else []
    if what == "other":
        places = world.of_type(*WORDS)
    name = draw(st.sampled_from(places or [zone["device"] for zone in world.zones]))
    if what == "aside":
        kind = draw(st.sampled_from(ASIDE))
        return event(kind, header, device=name, **({"reason": "gone"} if kind == "device.lost" else {}))
    return says(header, name, world.types[name], draw(st.sampled_from(["active", "active", "normal", "short", "open"])))


def _command(draw: st.DrawFn, world: World, header: dict[str, Any], n: int) -> Event:
    """An order from a relay; most come with a code, which may be a wrong one, or one of duress."""
    partition = draw(st.sampled_from([each["id"] for each in world.document["partitions"]]))
    zone = draw(st.sampled_from([each["id"] for each in world.zones]))
    door = draw(st.sampled_from([each["id"] for each in world.document["doors"]] or ["nowhere"]))
    name, args = draw(
        st.sampled_from(
            [
                ("silence", {"device": "siren"}),
                ("silence", {"partition": partition}),
                ("arm", {"partition": partition, "mode": "away"}),
                ("force-arm", {"partition": partition, "mode": "away"}),
                ("disarm", {"partition": partition}),
                ("clear", {"partition": partition}),
                ("bypass", {"zone": zone, "reason": "broken"}),
                ("unbypass", {"zone": zone}),
                ("isolate", {"zone": zone, "reason": "works", "for": "1h"}),
                ("unisolate", {"zone": zone}),
                ("test", {"zone": zone, "for": "10m"}),
                ("test", {"partition": partition}),
                ("end-test", {"partition": partition}),
                ("unlock", {"door": door}),
                ("unlock", {"door": door, "stay": "true"}),
                ("lock", {"door": door}),
                ("forgive", {"person": "person-0"}),
                ("lockdown", {"set": "on"}),
                ("lockdown", {"set": "off"}),
                ("threat", {"level": "3"}),
                ("muster", {}),
                ("dance", {}),
            ]
        )
    )
    digest = draw(st.sampled_from([CODES[0], CODES[0], *CODES, None]))
    return CommandReceived(**header, command=f"c{n}", name=name, args=args, actor="ada", outlet="cloud", digest=digest)


def _break_in(draw: st.DrawFn, world: World) -> list[Told]:
    """Everything at rest, armed, and something becomes active; perhaps somebody has the code."""
    zones = draw(st.lists(st.sampled_from(world.zones), min_size=1, max_size=2))
    told: list[Told] = [(0, "input", {"device": zone["device"], "condition": "normal"}) for zone in world.zones]
    told.append((0, "key.pressed", {"device": "pad", "key": draw(st.sampled_from(["arm_away", "arm_stay"]))}))
    for zone in zones:
        wait = draw(st.sampled_from([5 * SECOND, 70 * SECOND, 130 * SECOND]))
        told.append((wait, "input", {"device": zone["device"], "condition": "active"}))
    if draw(st.booleans()):
        told.append(
            (draw(st.sampled_from(WAITS)), "code.entered", {"device": "pad", "digest": CODES[0], "wish": "disarm"})
        )
    return told


def _passage(draw: st.DrawFn, world: World) -> list[Told]:
    """Somebody at a door: a card, perhaps a code, and the leaf."""
    door = draw(st.sampled_from(world.document["doors"]))
    reader, leaf = {"device": door["reader"]}, {"device": door["contact"]}
    told: list[Told] = [(0, "card.read", reader | {"digest": draw(st.sampled_from(CARDS))})]
    if draw(st.booleans()):
        told.append((SECOND, "code.entered", reader | {"digest": draw(st.sampled_from(CODES)), "wish": ""}))
    told += [(SECOND, "contact.opened", leaf), (draw(st.sampled_from(WAITS)), "contact.closed", leaf)]
    return told


def _jump(draw: st.DrawFn, wall: int) -> int:
    """By how much (µs) somebody sets the wall clock: an hour, a day, or to 1970."""
    return draw(st.sampled_from([HOUR, -HOUR, 24 * HOUR, -24 * HOUR, -wall, 5 * SECOND]))


def _morning(draw: st.DrawFn, world: World, header: dict[str, Any]) -> list[Event]:
    """How the day begins: with a start; mostly with everything at rest; and every second time somebody arms."""
    made: list[Event] = [event("boot", header, software="0", epoch="e", off_time=None, clean=draw(st.booleans()))]
    if draw(st.integers(0, 3)):
        named = [zone["device"] for zone in world.zones] + world.of_type("contact")
        made += [says(header, name, world.types[name], "normal") for name in dict.fromkeys(named)]
        if draw(st.booleans()):
            key = draw(st.sampled_from(["arm_away", "arm_away", "arm_stay"]))
            later = header | {"gt": header["gt"] + 70 * SECOND, "wall": header["wall"] + 70 * SECOND}
            made += [event("key.pressed", later, device="pad", key=key)]
    return [_numbered(one, n) for n, one in enumerate(made)]


def _numbered(one: Event, n: int) -> Event:
    return replace(one, id=identity(n))


def _tell(world: World, header: dict[str, Any], kind: str, body: dict[str, Any]) -> Event:
    if kind == "input":
        return says(header, body["device"], world.types[body["device"]], body["condition"])
    return event(kind, header, **body)


def identity(n: int) -> str:
    """The id of fact number `n`, as the agent gives at first receipt."""
    return f"{n:08x}-0000-7000-8000-000000000000"


@st.composite
def histories(draw: st.DrawFn, world: World, *, length: int = 30, jumps: bool = True) -> list[Happening]:
    """What happens there. Without `jumps` the wall clock runs evenly, and it is known how long the gateway was off."""
    made: list[Happening] = [*_morning(draw, world, {"id": "", "gt": GT, "wall": START})]
    last = made[-1]
    assert isinstance(last, Event)
    gt, wall = last.gt, last.wall
    for _ in range(draw(st.sampled_from([2, 8, 16, length]))):
        n = len(made)
        passed = draw(st.sampled_from(LONG_WAITS))
        gt, wall = gt + passed, wall + passed
        what = draw(
            st.sampled_from(
                ["said"] * 16
                + ["story", "story", "time", "time", "boot", "step", "command", "command", "command", "command", "act"]
            )
        )
        header: dict[str, Any] = {"id": identity(n), "gt": gt, "wall": wall}
        if what == "said":
            made.append(_said(draw, world, header))
        elif what == "story":
            for wait, kind, body in (_passage if world.document["doors"] and draw(st.booleans()) else _break_in)(
                draw, world
            ):
                gt, wall = gt + wait, wall + wait
                header = {"id": identity(len(made)), "gt": gt, "wall": wall}
                made.append(_tell(world, header, kind, body))
        elif what == "time":
            made.append(TimePassed(**header))
        elif what == "boot":
            off = draw(st.sampled_from([None, 0, passed] if jumps else [0, passed]))
            made.append(Boot(**header, software="0", epoch="e", off_time=off, clean=draw(st.booleans())))
        elif what == "step" and jumps:
            step = _jump(draw, wall)
            wall += step
            if draw(st.booleans()):  # else nobody says so
                made.append(ClockStepped(**(header | {"wall": wall}), step=step))
        elif what == "command":
            made.append(_command(draw, world, header, n))
        else:
            kind = draw(st.sampled_from(ENTRY_KINDS))
            made.append(Act(n, kind, draw(st.integers(0, 3)), draw(st.integers(1, 20)), wall))
    return made
