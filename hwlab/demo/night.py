"""One night: the scenario played once, and what was seen of it, each moment in ms after the door opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hwlab.building import Building
from hwlab.demo.visitor import Visitor
from hwlab.demo.witness import Seen, Witness
from hwlab.instant import boot_now
from hwlab.play import Hook, Mark
from hwlab.scenario import Move

STEPS = (
    ("siren_commanded", "siren commanded"),
    ("durable", "incident durable at the cloud relay"),
    ("in_feed", "visible in an open feed"),
    ("notified", "duty desk notified, signature good"),
    ("still", "first picture outside the building"),
    ("first_segment", "first segment outside the building"),
    ("sealed", "clip sealed, every segment outside"),
)
LABELS = dict(STEPS)
_LOOK_EVERY = 0.002  # seconds; while nothing changed a look costs microseconds
_AFTER = 90.0  # seconds until what has not been seen counts as missing


@dataclass(slots=True)
class Night:
    """`opened` is the boot-time clock (µs) at which the sensor sent; `moments` are ms after it."""

    opened: int = 0
    moments: dict[str, float] = field(default_factory=dict)
    seen: Seen | None = None

    @property
    def complete(self) -> bool:
        """Whether every step was seen."""
        return all(name in self.moments for name, _ in STEPS)


class Watch:
    """Plays a scenario in the building and watches it at the far ends."""

    def __init__(
        self, *, building: Building, witness: Witness, visitor: Visitor | None, say: Callable[[str], None]
    ) -> None:
        self._building = building
        self._witness = witness
        self._visitor = visitor
        self._say = say
        self._night = Night()
        self._steps = [name for name, _ in STEPS if visitor is not None or name != "in_feed"]

    def told(self, at: int, message: dict[str, Any]) -> None:
        """The duty desk got a message it could verify."""
        if self._night.opened and "notified" not in self._night.moments:
            self._moment("notified", at)

    def _moment(self, name: str, at: int) -> None:
        after = (at - self._night.opened) / 1000
        self._night.moments[name] = round(after, 2)
        self._say(f"{after:10.1f} ms  {LABELS[name]}")

    async def night(self, scenario: str, *, hooks: dict[str, Hook]) -> Night:
        """Play it and watch until all was seen, or for so long that it will not be."""
        night = self._night = Night()
        self._witness.remember_all()
        siren = self._building.siren("siren-1")
        commands = len(siren.commands)
        playing = asyncio.create_task(
            self._building.play(scenario, hooks=hooks, observer=self._observe), name="demo.scenario"
        )
        try:
            deadline: float | None = None
            loop = asyncio.get_running_loop()
            while not all(name in night.moments for name in self._steps):
                self._look(night, siren.commands[commands:])
                if playing.done():
                    deadline = deadline or loop.time() + _AFTER
                    if playing.exception() is not None or loop.time() > deadline:
                        break
                await asyncio.sleep(_LOOK_EVERY)
            await playing
        finally:
            playing.cancel()
        return night

    async def arrival(self, incident: str) -> Seen:
        """Wait until this incident and its whole clip are at the cloud relay, whenever it began."""
        seen = Seen(incident)
        while seen.sealed is None:
            if self._witness.changed():
                self._witness.look(seen)
            await asyncio.sleep(_LOOK_EVERY)
        return seen

    def _observe(self, mark: Mark) -> None:
        if mark.step.say:
            self._say(f"   · {mark.step.say}")
        if not self._night.opened and any(isinstance(action, Move) and action.open for action in mark.step.actions):
            self._night.opened = mark.boot
            self._say("       0.0 ms  door opened")

    def _look(self, night: Night, commands: list[tuple[int, str]]) -> None:
        if not night.opened:
            return
        if "siren_commanded" not in night.moments and commands:
            self._moment("siren_commanded", commands[0][0])
        if self._visitor is not None and "in_feed" not in night.moments and night.seen is not None:
            at = self._visitor.shown.get(night.seen.incident)
            if at is not None:
                self._moment("in_feed", at)
        if not self._witness.changed():
            return
        if night.seen is None:
            incident = self._witness.new_incident()
            if incident is None:
                return
            night.seen = Seen(incident, durable=boot_now())
            self._moment("durable", night.seen.durable or boot_now())
        self._witness.look(night.seen)
        for name in ("still", "first_segment", "sealed"):
            at = getattr(night.seen, name)
            if at is not None and name not in night.moments:
                self._moment(name, at)
