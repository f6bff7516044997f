"""A door, its people and an engine, told what happens in short words; what follows comes back as scenario lines.

Every step is taken by a second engine as well, which is restored from a snapshot before each: they must agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import yaml

from rules import ids
from rules.access.access import Access
from rules.access.memory import AccessMemory
from rules.actions import Action, Append, Note
from rules.document import duration
from rules.document.site import Site
from rules.document.site_check import mistakes
from rules.engine import Engine
from rules.events import EVENTS, Boot, Delivery, Event, TimePassed
from rules.scenario.lines import Lines
from rules.timetable import zone
from rules.turn import Turn

SECOND = 1_000_000
WEDNESDAY_NOON = 1_768_388_400 * SECOND  # 2026-01-14 12:00 in Zurich
SHA = "b" * 64


def digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


def switched(name: str, family: str) -> dict[str, Any]:
    says = {"topic": f"b/{name}", "field": "state", "on": "ON", "off": "OFF"}
    return {"id": name, "type": family, "mqtt": {**says, "command": {"topic": f"b/{name}/set", "on": "1", "off": "0"}}}


def sensor(name: str, family: str) -> dict[str, Any]:
    says: dict[str, Any] = {"topic": f"b/{name}", "field": "state"}
    if family == "contact":
        says |= {"open": False, "closed": True}
    elif family == "input":
        says |= {"normal": "n", "active": "a", "short": "s", "open": "o"}
    elif family in ("button", "motion"):
        says |= {"on": "ON", "off": "OFF"}
    elif family == "reader":
        says |= {"code": "code"}
    else:
        says = {"topic": f"b/{name}", "code": "code", "wish": "wish", "key": "key"}
    return {"id": name, "type": family, "mqtt": says}


def document(*, door: dict[str, Any] | None = None, ada: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """A site with one door, Ada and Bob who may pass it, a keypad; all of it open to change."""
    people = [
        {
            "id": name,
            "name": name.title(),
            "codes": [{"digest": digest(f"{name} code")}],
            "cards": [{"digest": digest(f"{name} card")}],
            "pin": digest(f"{name} pin"),
            "access": ["staff"],
        }
        for name in ("ada", "bob")
    ]
    people[0] |= ada or {}
    whole: dict[str, Any] = {
        "site": {"id": "house", "name": "The House", "timezone": "Europe/Zurich"},
        "devices": [
            switched("lock", "lock"),
            switched("siren", "siren"),
            sensor("leaf", "contact"),
            sensor("rex", "button"),
            sensor("in", "reader"),
            sensor("out", "reader"),
            sensor("pad", "keypad"),
            sensor("window", "contact"),
            {"id": "cam", "type": "camera", "rtsp": {"url": "rtsp://127.0.0.1:8554/cam"}},
        ],
        "schedules": {"hours": {"weekly": [{"days": ["mon-fri"], "from": "08:00", "to": "18:00"}]}},
        "partitions": [{"id": "office"}],
        "zones": [{"id": "window-zone", "device": "window", "type": "perimeter", "partition": "office"}],
        "people": people,
        "access_levels": [{"id": "staff", "doors": ["front"]}],
        "doors": [
            {"id": "front", "lock": "lock", "contact": "leaf", "rex": "rex", "reader": "in", "reader_out": "out"}
            | (door or {})
        ],
        "keypads": [{"device": "pad", "partition": "office"}],
    }
    return whole | parts


def text(whole: dict[str, Any]) -> str:
    """The document as somebody writes it."""
    return yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False)  # so that nothing is an alias


class Rig:
    """One engine and its clock. Each word returns the lines of what followed."""

    def __init__(self, *, wall: int = WEDNESDAY_NOON, **parts: Any) -> None:
        self.site = Site.model_validate(document(**parts))
        assert not mistakes(self.site), mistakes(self.site)
        self.sha = SHA
        self.engine = Engine(site=self.site, site_sha256=self.sha, origin="gw-1")
        self.gt, self.wall = 1_000 * SECOND, wall
        self.count = 0
        self.actions: list[Action] = []
        self.said: object = None
        self._ids: set[str] = set()
        self._restored = self.engine.snapshot()
        self._lines = Lines(zone=zone("Europe/Zurich"))

    @property
    def memory(self) -> AccessMemory:
        """What the engine remembers of doors, codes and people."""
        return self.engine._state.access

    def _header(self, after: str | int) -> dict[str, Any]:
        passed = after if isinstance(after, int) else duration(after)
        self.gt, self.wall, self.count = self.gt + passed, self.wall + passed, self.count + 1
        return {
            "id": ids.time_ordered(wall=self.wall, random=self.count.to_bytes(10)),
            "gt": self.gt,
            "wall": self.wall,
        }

    def set(self, change: Callable[[AccessMemory], object]) -> None:
        """Bring the memory into a state, however it may come about."""
        change(self.memory)
        self._restored = self.engine.snapshot()

    def timer(self, key: str, *, after: str) -> None:
        """Let a timer run, however it may have been set."""
        self.engine._timers.set(key, at=self.gt + duration(after), cause="00000000-0000-7000-8000-000000000000")
        self._restored = self.engine.snapshot()

    def order(self, what: Callable[[Access, Turn], object], *, after: str = "1s") -> list[str]:
        """A person's order, as a command that was found to be theirs; `said` is what the machine answered."""
        fact = TimePassed(**self._header(after))
        self.step(fact)
        turn = self.engine._turn(fact)
        self.said = what(self.engine._access, turn)
        self.actions = turn.actions
        self._restored = self.engine.snapshot()
        self._once()
        return [line for _, line in self._lines.of(turn.actions, gt=fact.gt)]

    def step(self, fact: Event) -> list[str]:
        restored = Engine.restore(self._restored, site=self.site, site_sha256=self.sha, origin="gw-1")
        self.actions = self.engine.step(fact)
        assert restored.step(fact) == self.actions
        self._restored = self.engine.snapshot()
        assert restored.snapshot() == self._restored
        self._once()
        return [line for _, line in self._lines.of(self.actions, gt=fact.gt)]

    def _once(self) -> None:
        """No two facts have one id."""
        for action in self.actions:
            if isinstance(action, Append | Note):
                fact = (action.entry if isinstance(action, Append) else action.event).id
                assert fact not in self._ids, f"an id is used twice: {action}"
                self._ids.add(fact)

    def tells(
        self, kind: str, device: str, *, after: str | int = "1s", delivery: Delivery = "live", **body: Any
    ) -> list[str]:
        return self.step(EVENTS[kind](device=device, delivery=delivery, **self._header(after), **body))  # type: ignore[call-arg]

    def opens(self, **how: Any) -> list[str]:
        return self.tells("contact.opened", "leaf", **how)

    def closes(self, **how: Any) -> list[str]:
        return self.tells("contact.closed", "leaf", **how)

    def asks(self, **how: Any) -> list[str]:
        return self.tells("button.pressed", "rex", **how)

    def card(self, of: str = "ada card", on: str = "in", **how: Any) -> list[str]:
        return self.tells("card.read", on, digest=digest(of), **how)

    def code(self, of: str, on: str = "pad", **how: Any) -> list[str]:
        return self.tells("code.entered", on, digest=digest(of), **how)

    def passes(self, after: str | int) -> list[str]:
        return self.step(TimePassed(**self._header(after)))

    def boots(self, *, off: str | None = "10s") -> list[str]:
        off_time = None if off is None else duration(off)
        return self.step(Boot(software="1", epoch="e", off_time=off_time, clean=False, **self._header(off_time or 0)))
