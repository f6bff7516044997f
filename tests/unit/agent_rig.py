"""A small agent without devices: a real store in a folder, a real engine, effects that are only written down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock
from agent.decider import Effects
from agent.errors import StoreError
from agent.intake import Input, Intake
from agent.journal import Journal
from agent.keeper import Keeper
from agent.pipeline import Pipeline
from agent.recovery import restore
from agent.store.ballast import Ballast
from agent.store.log import Row
from agent.store.opening import Store, open_store
from rules.actions import Pulse, SaveClip, SetLevel, TakeStill
from rules.document.site import Site, load_site
from rules.engine import Engine
from rules.events import ContactClosed, ContactOpened, Delivery, Event, ReadingTemperature

GATEWAY = "gw-1"
SITE_SHA = "5" * 64
SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, name: Server room door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: heat, type: temperature, mqtt: {topic: b/heat, field: temperature}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, "on": "ON", "off": "OFF",
      command: {topic: b/siren/set, "on": "ON", "off": "OFF"}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
rules:
  - id: alarm
    name: Door opened
    when: {event: contact.opened, device: door}
    then:
      - open_incident: {severity: high, title: "{{ device.name }} opened", group: 0s}
      - save_clip: {cameras: [cam], pre: 10s, post: 30s}
      - command: {device: siren, set: "on", for: 1h}
"""


def site(text: str = SITE) -> Site:
    return load_site(text, "site.yaml")


class Transactions:
    """The store's transactions, seen and spoilt: `broken` is why every one fails, `steps` gets "commit" for a good one.

    `half`: the transaction is committed and the error comes all the same, as when only the fsync failed."""

    def __init__(self, *, store: Store, steps: list[str], patch: pytest.MonkeyPatch) -> None:
        self._begin = store.database.transaction
        self._reopen = store.database.reopen
        self._steps = steps
        self.broken: str | None = None
        self.half = False
        self.answers = asyncio.Event()  # cleared: a disk that takes its time
        self.answers.set()
        patch.setattr(store.database, "transaction", self.transaction)
        patch.setattr(store.database, "reopen", self.reopen)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        await self.answers.wait()
        if self.broken is not None and not self.half:
            raise StoreError(self.broken)
        async with self._begin() as transaction:
            yield transaction
        self._steps.append("commit")
        if self.broken is not None:
            raise StoreError(self.broken)

    async def reopen(self) -> None:
        if self.broken is not None:
            raise StoreError(self.broken)
        await self._reopen()


@dataclass
class Rig:
    """What a test holds in its hands. `steps` is what happened, in order."""

    store: Store
    clock: Clock
    intake: Intake
    keeper: Keeper
    journal: Journal
    pipeline: Pipeline
    transactions: Transactions
    ballast: Ballast
    steps: list[str]
    outputs: list[SetLevel | Pulse] = field(default_factory=list)
    media: list[SaveClip | TakeStill] = field(default_factory=list)
    unlogged: list[Row] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        """The one in use."""
        return self.keeper.engine

    def contact(
        self, *, opened: bool, n: int | None = None, delivery: Delivery = "live"
    ) -> ContactOpened | ContactClosed:
        kind = ContactOpened if opened else ContactClosed
        return kind(**self.clock.header(), device="door", n=n, delivery=delivery)

    def temperature(self, value: float, *, delivery: Delivery = "live") -> ReadingTemperature:
        return ReadingTemperature(**self.clock.header(), device="heat", value=value, delivery=delivery)

    async def send(self, *facts: Event) -> None:
        """Offer facts one by one and wait until each is acknowledged; "ack" joins the steps."""
        for fact in facts:
            acked = asyncio.Event()
            await self.intake.offer(Input(fact=fact, acknowledge=self.acked(acked)))
            await acked.wait()

    async def turn(self, *items: Input) -> None:
        """One turn of the loop, and the disk's answer to it; no more than that."""
        await self.pipeline._turn(list(items))
        await self.pipeline._writer.settle()

    def acked(self, event: asyncio.Event) -> Callable[[], None]:
        def ack() -> None:
            self.steps.append("ack")
            event.set()

        return ack

    async def rows(self, columns: str = "kind", where: str = "") -> list[Any]:
        rows = await self.store.database.read(f"SELECT {columns} FROM log {where} ORDER BY pos")
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The pipeline turns inside the block."""
        task = asyncio.create_task(self.pipeline.run(), name="pipeline")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def rig(
    folder: Path, patch: pytest.MonkeyPatch, *, document: str = SITE, sha256: str = SITE_SHA, ballast: int = 0
) -> AsyncIterator[Rig]:
    """Open the store (again), restore the engine, and hand out all parts; close the store at the end."""
    store = await open_store(folder / "log.db", gateway=GATEWAY)
    steps: list[str] = []
    outputs: list[SetLevel | Pulse] = []
    media: list[SaveClip | TakeStill] = []
    unlogged: list[Row] = []

    def output(action: SetLevel | Pulse) -> None:
        steps.append("output")
        outputs.append(action)

    def tell(rows: Sequence[Row]) -> None:
        steps.append("unlogged")
        unlogged.extend(rows)

    def footage(action: SaveClip | TakeStill) -> None:
        steps.append("media")
        media.append(action)

    try:
        engine = (await restore(store, site=site(document), site_sha256=sha256, gateway=GATEWAY)).engine
        again = partial(Engine.restore, site=site(document), site_sha256=sha256, origin=GATEWAY)
        keeper = Keeper(engine=engine, restore=again)
        clock = Clock.start(last_gt=store.last_gt, off_time=store.off_time, at=store.opened)
        intake = Intake()
        journal = Journal(marker=folder / "marker")
        reserve = Ballast(path=folder / "log.ballast", size=ballast)
        pipeline = Pipeline(
            intake=intake,
            keeper=keeper,
            store=store,
            clock=clock,
            effects=Effects(output=output, media=footage, unlogged=tell),
            journal=journal,
            site_sha256=sha256,
            ballast=reserve,
        )
        transactions = Transactions(store=store, steps=steps, patch=patch)
        yield Rig(
            store, clock, intake, keeper, journal, pipeline, transactions, reserve, steps, outputs, media, unlogged
        )
    finally:
        await store.database.close()


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Let the loop turn until something is so; AssertionError when it does not become so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0)
