"""The wall clock, watched: steps, impossible times, and how far it is from the clocks of relays. All of it is told.

What the clock shows is believed when it cannot be proven wrong. Our memory of an earlier time gives way to a clock that
the kernel calls kept right, to one that a relay agrees with, and to one that went on steadily for a day; the facts
(the program's age, our certificate's) never do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

import aiosqlite
import structlog

from agent.clock import SETTLED, STEP, Clock, boot_now, synced, wall_now
from agent.drift import Drift
from agent.intake import Input, Intake
from agent.store import meta
from rules.events import ClockAgreed, ClockDoubted, ClockDrifted, ClockStepped, ClockTrusted, Event

log = structlog.get_logger()

PERIOD = 2.0  # seconds
_BELIEVED = 86_400_000_000  # boot µs of steady going after which it is believed against our memory
_CERTIFICATES = 600.0  # seconds between two looks at our certificates
DOUBT, DRIFT = "clock_told.doubt", "clock_told.drift."


class Timekeeper:
    """Service "clock". `told` is what runs before this one have told and not ended, out of the store's small facts;
    `issued` gives the wall times (µs) at which our certificates were issued, and is called in a thread."""

    name = "clock"

    def __init__(
        self, *, clock: Clock, intake: Intake, told: dict[str, str], issued: Callable[[], Iterable[int]]
    ) -> None:
        self._clock = clock
        self._intake = intake
        self._issued = issued
        self._drifts = {
            name.removeprefix(DRIFT): Drift(apart=True)
            for name, value in told.items()
            if name.startswith(DRIFT) and value
        }
        self._doubt_told = bool(told.get(DOUBT))
        self._stepped_at = boot_now()
        self._dated = clock.dated()[0] - boot_now()

    def heard(self, outlet: str, relay_wall: int, sent_at: int, received_at: int) -> None:
        """A relay said its time (`agent.outlets.heard.Heard`)."""
        self._drifts.setdefault(outlet, Drift()).heard(wall=relay_wall, sent=sent_at, received=received_at)

    def offset(self, outlet: str) -> int | None:
        """µs to add to our wall clock by this outlet's; None when it said nothing lately."""
        drift = self._drifts.get(outlet)
        return None if drift is None else drift.offset(wall=wall_now(), boot=boot_now())

    async def run(self) -> None:
        """Look every two seconds."""
        next_look = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            if now >= next_look:
                next_look = now + _CERTIFICATES
                for wall in await asyncio.to_thread(self._issued):
                    self._clock.floor.issued(wall)
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Compare once, and tell what changed."""
        clock, wall, boot = self._clock, wall_now(), boot_now()
        clock.confidence = "synced" if synced() else "unsynced"
        raw = wall - boot
        if clock.offset is None or abs(raw - clock.offset) >= STEP:
            self._stepped_at = boot
        clock.offset = raw
        self._remember(wall, boot)
        await self._tell_step()
        await self._tell_doubt(wall, boot)
        for outlet, drift in self._drifts.items():
            offset = drift.change(wall=wall, boot=boot)
            if offset is not None:
                await self._tell_drift(outlet, offset, apart=bool(drift.apart))

    def _remember(self, wall: int, boot: int) -> None:
        """Whether what the clock shows now is worth remembering, and whether it may correct what is remembered."""
        floor, steady = self._clock.floor, boot - self._stepped_at
        if floor.forbids(wall, boot):
            return
        doubted, kept_right = floor.doubts(wall, boot), self._clock.confidence == "synced"
        enough = _BELIEVED if doubted and not kept_right else SETTLED
        if steady >= enough or any(drift.agrees(wall=wall, boot=boot) for drift in self._drifts.values()):
            floor.remember(wall, boot)

    async def _tell_step(self) -> None:
        """A step of the time that facts bear: while the clock is doubted that goes on."""
        boot = boot_now()
        dated = self._clock.dated()[0] - boot
        step, self._dated = dated - self._dated, dated
        if abs(step) >= STEP:
            log.warning("clock.stepped", step=step)
            await self._intake.tell(ClockStepped(**self._clock.header(), step=step))

    async def _tell_doubt(self, wall: int, boot: int) -> None:
        doubted = self._clock.floor.doubts(wall, boot)
        if doubted == self._doubt_told:
            return
        self._doubt_told = doubted
        if doubted:
            floor = self._clock.floor.at(boot)
            log.warning("clock.doubted", shows=wall, floor=floor)
            await self._tell(ClockDoubted(**self._clock.header(), floor=floor), DOUBT, "1")
        else:
            log.info("clock.trusted")
            await self._tell(ClockTrusted(**self._clock.header()), DOUBT, "")

    async def _tell_drift(self, outlet: str, offset: int, *, apart: bool) -> None:
        log.warning("clock.drifted" if apart else "clock.agreed", outlet=outlet, offset=offset)
        kind = ClockDrifted if apart else ClockAgreed
        fact = kind(**self._clock.header(), outlet=outlet, offset=offset)
        await self._tell(fact, DRIFT + outlet, "1" if apart else "")

    async def _tell(self, fact: Event, name: str, value: str) -> None:
        """With the note that it was told, so that a start after it ends what a start before it began."""
        await self._intake.offer(Input(fact=fact, also=partial(_note, name, value)))


async def _note(name: str, value: str, transaction: aiosqlite.Connection) -> None:
    await meta.write(transaction, {name: value})
