"""From what a step says to the fact that an engine is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rules import ids
from rules.document.site import Site
from rules.events import EVENTS, Boot, CardRead, ClockStepped, CodeEntered, CommandReceived, Event, KeyPressed
from rules.incidents import Entry
from rules.scenario.document import World, digest
from rules.scenario.merge import digest_of
from rules.scenario.model import Asked, Bits, Boots, Card, Clock, Code, Digits, Do, Happens, Key, Pin, Wrote
from rules.scenario.standing import Standing
from rules.scenario.times import signed
from rules.wire.record import body_model


@dataclass(slots=True)
class Now:
    """The moment of a step: its number among the facts, both times, what is known. `wall` changes with the clock."""

    number: int
    gt: int
    wall: int
    standing: Standing
    world: World


# What a device of each type says when nothing is the matter.
_NORMAL = {
    "contact": "contact.closed", "motion": "motion.ended", "glass": "glass.cleared", "smoke": "smoke.cleared",
    "heat": "heat.cleared", "co": "co.cleared", "water": "water.cleared", "button": "button.released",
}  # fmt: skip


def all_normal(site: Site) -> Iterator[Happens]:
    """What every input says when nothing is the matter, in the order of the document."""
    for device in site.devices:
        if device.type == "input":
            yield Happens.model_validate({"event": "input.reported", "device": device.id, "state": "normal"})
        elif device.type in _NORMAL:
            yield Happens.model_validate({"event": _NORMAL[device.type], "device": device.id})


def fact_of(do: Do, now: Now) -> Event | Entry:
    """The fact. LookupError when it is about an incident that is not there."""
    if isinstance(do, Clock):
        now.wall += do.clock_steps
    moment = max(0, now.wall)
    header: dict[str, Any] = {
        "id": ids.time_ordered(wall=moment, random=now.number.to_bytes(10)), "gt": now.gt, "wall": moment,
    }  # fmt: skip
    match do:
        case Happens():
            body = body_model(do.event).model_validate(do.model_extra or {})
            return EVENTS[do.event](**header, **{name: getattr(body, name) for name in type(body).model_fields})
        case Code():
            return CodeEntered(device=do.on, digest=digest(now.world, do.code, "codes", do.n), wish=do.wish, **header)
        case Pin():
            return CodeEntered(device=do.on, digest=digest(now.world, do.pin, "pin", 0), **header)
        case Digits():
            return CodeEntered(device=do.on, digest=digest_of(do.digits), wish=do.wish, **header)
        case Card():
            return CardRead(device=do.on, digest=digest(now.world, do.card, "cards", do.n), **header)
        case Bits():
            return CardRead(device=do.on, digest=digest_of(do.bits), **header)
        case Key():
            return KeyPressed(device=do.on, key=do.key, **header)
        case Asked():
            args = {name: _text(value) for name, value in (do.model_extra or {}).items()}
            name = ids.derived("command", now.number)
            code = None if do.with_code is None else digest(now.world, do.with_code, "codes", 0)
            return CommandReceived(
                command=name, name=do.command, args=args, actor=do.by, outlet=do.outlet, digest=code, **header
            )
        case Wrote():
            return _entry(do, now, header)
        case Boots():
            off = do.boot.off if isinstance(do.boot.off, int) else None
            return Boot(software="0.1.0", epoch="e1", off_time=off, clean=do.boot.clean, **header)
        case Clock():
            return ClockStepped(step=do.clock_steps, **header)
    raise AssertionError(f"{type(do).__name__} is no fact")  # Document: the player's own affair


def _entry(do: Wrote, now: Now, header: dict[str, Any]) -> Entry:
    incident = now.standing.incident(do.incident)
    body = dict(do.model_extra or {})
    if isinstance(body.get("until"), str):
        body["until"] = now.wall + signed(body["until"])
    if isinstance(body.get("into"), int):
        body["into"] = now.standing.incident(body["into"])
    lamport = do.lamport if do.lamport is not None else now.standing.lamport(do.incident) + 1
    return Entry(
        kind=f"incident.{do.entry}", incident=incident, lamport=lamport, origin=do.origin, by=do.by, body=body,
        id=header["id"], wall=header["wall"],
    )  # fmt: skip


def _text(value: object) -> str:
    return "true" if value is True else "false" if value is False else str(value)
