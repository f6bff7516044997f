"""Outlets that a person takes out of service while the agent runs.

Theory of operation: the agent is the only one who writes its store, so `nightporter agent outlet retire` lays a
request beside the log (`<data>/retire/<outlet>.json`). The agent looks there every two seconds: it stops the outlet
and its channel at once, if they still run, writes `outlet.retired` and the end of its cursors in one transaction,
lets go of its blobs in slices, and removes the request last. Killed in between it goes on at the next start; the fact
has one id, so it is told once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import AgentError
from agent.intake import Intake
from agent.store import budgets, retirements
from agent.store.opening import Store
from agent.supervisor import Service
from rules import ids
from rules.events import BudgetAmple, OutletRetired

log = structlog.get_logger()

LOOK = 2.0  # seconds
_LONGEST = 4096  # bytes a request may have


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked for it, and when (wall µs): together with the outlet it is the identity of the act."""

    outlet: str
    who: str
    wall: int

    def write(self) -> bytes:
        """As it lies on the disk."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, data: bytes) -> Request:
        """From the disk. ValueError when it is none."""
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("not a request")
        outlet, who, wall = found.get("outlet"), found.get("who"), found.get("wall")
        if not (isinstance(outlet, str) and isinstance(who, str) and isinstance(wall, int)):
            raise ValueError("not a request")
        return cls(outlet, who[:200], wall)


def folder(data: Path) -> Path:
    """Where requests lie."""
    return data / "retire"


class Retirable:
    """A service that ends for good when its outlet is retired: what it runs is cancelled, and it rests."""

    def __init__(self, service: Service, *, retired: asyncio.Event) -> None:
        self.name = service.name
        self.resting = asyncio.Event()
        self._service = service
        self._retired = retired

    async def run(self) -> None:
        """Run it until it is retired; then rest until cancelled."""
        if not self._retired.is_set():
            working = asyncio.create_task(self._service.run(), name=f"{self.name}.working")
            ending = asyncio.create_task(self._retired.wait(), name=f"{self.name}.retired")
            try:
                await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ending.cancel()
                ended = working.done()
                working.cancel()
                await asyncio.wait({working, ending})
                failure = None if working.cancelled() else working.exception()
                if failure is not None and self._retired.is_set():
                    log.warning("outlet.ended", service=self.name, error=str(failure))
            if ended and not self._retired.is_set():
                working.result()
                return
        self.resting.set()
        await asyncio.Event().wait()


class Retirement:
    """Service "retirement". `stop` is told the outlet, and returns once nothing of it runs any more."""

    name = "retirement"

    def __init__(
        self,
        *,
        data: Path,
        store: Store,
        intake: Intake,
        clock: Clock,
        stop: Callable[[str], Awaitable[None]],
        look: float = LOOK,
    ) -> None:
        self._folder = folder(data)
        self._store = store
        self._intake = intake
        self._clock = clock
        self._stop = stop
        self._look = look

    async def run(self) -> None:
        """Look for requests until cancelled."""
        tidy = False
        while True:
            try:
                if not tidy:
                    await self._store.blobs.tidy()
                    tidy = True
            except AgentError as error:
                log.warning("outlet.store", error=str(error))
            for path in await asyncio.to_thread(self._requests):
                try:
                    await self._take(path)
                except AgentError as error:  # the store's own trouble is told; the request stays
                    log.warning("outlet.retire_waits", file=path.name, error=str(error))
            await asyncio.sleep(self._look)

    def _requests(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("*.json"))
        except OSError:
            return []

    async def _take(self, path: Path) -> None:
        try:
            request = Request.read((await asyncio.to_thread(path.read_bytes))[:_LONGEST])
        except (OSError, ValueError) as error:
            log.error("outlet.retire_unreadable", file=path.name, error=str(error))
            await asyncio.to_thread(path.rename, path.with_suffix(".unreadable"))
            return
        await self._stop(request.outlet)
        await self._retire(request)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _retire(self, request: Request) -> None:
        store, outlet = self._store, request.outlet
        records, blobs = await retirements.waiting(store.database, outlet, store.log.epoch)
        used = await budgets.load(store.database, outlet)
        if used is not None and used.told != "ample":
            ample = BudgetAmple(**self._clock.header(), outlet=outlet, used=used.used, budget=0)
            await self._intake.decide(ample)
        header = self._clock.header()
        header["id"] = ids.derived("retired", outlet, request.who, request.wall)
        fact = OutletRetired(**header, outlet=outlet, who=request.who, records=records, blobs=blobs)

        async def forget(transaction: aiosqlite.Connection) -> None:
            await retirements.let_go(transaction, outlet)

        await self._intake.decide(fact, also=forget)
        await store.blobs.retire(outlet)
        log.info("outlet.retired", outlet=outlet, who=request.who, records=records, blobs=blobs)
