"""The agent's end for tests of outlets and channels: a real store, and a short pipeline that keeps the real one's
promises."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.intake import Input, Intake
from agent.outlets.relay import RelayOutlet
from agent.rows import row, shown
from agent.store import evidence
from agent.store.opening import Store, open_store
from rules import ids
from rules.actions import Action, Note
from rules.events import (
    CommandDecided,
    CommandReceived,
    ContactOpened,
    Event,
    ReadingTemperature,
    SegmentAdded,
    StillTaken,
)
from rules.incidents import Entry

GATEWAY = "lobby"


@dataclass(slots=True)
class Rig:
    """An open store, an intake that a stand-in pipeline empties, and ways to make facts."""

    directory: Path
    store: Store
    intake: Intake
    clock: Clock
    decided: list[Event | Entry] = field(default_factory=list)
    # Cleared, the pipeline stops before its next commit, with what it has taken.
    working: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0

    @property
    def media(self) -> Path:
        return self.directory / "media"

    def outlet(self, name: str, at: Path, **options: Any) -> RelayOutlet:
        """An outlet over the Unix socket `at`, quick enough for tests."""
        return self.outlet_with(name=name, socket=at, **options)

    def outlet_with(self, **options: Any) -> RelayOutlet:
        return RelayOutlet(
            **({"ceiling": 0.2, "grace": 0.0, "settle": 0.2, "probe": 0.2} | options),
            media=self.media,
            database=self.store.database,
            log=self.store.log,
            cursors=self.store.cursors,
            blobs=self.store.blobs,
            intake=self.intake,
            clock=self.clock,
        )

    # --- facts -----------------------------------------------------------------------------------------------------

    async def incident(self, *, title: str = "Door") -> str:
        header = self.clock.header()
        incident = header["id"]
        entry = Entry(
            **header,
            kind="incident.opened",
            incident=incident,
            lamport=1,
            origin=self.store.log.gateway,
            by="rule",
            body={"title": title, "severity": "high"},
        )
        await self.intake.decide(entry)
        return incident

    async def door(self, *, device: str = "door") -> None:
        await self.intake.decide(ContactOpened(**self.clock.header(), device=device))

    async def reading(self, value: float = 21.0) -> None:
        await self.intake.decide(ReadingTemperature(**self.clock.header(), device="t", value=value))

    def blob(self, data: bytes) -> str:
        """Put a blob on disk, as the media worker does."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.media / "blobs" / sha256[:2] / sha256[2:4] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return sha256

    async def still(self, data: bytes, *, incident: str = "i") -> str:
        sha256 = self.blob(data)
        header = self.clock.header()
        await self.intake.decide(
            StillTaken(
                **header,
                still=header["id"],
                incident=incident,
                camera="cam",
                sha256=sha256,
                bytes=len(data),
                taken=header["wall"],
                width=640,
                height=360,
            )
        )
        return sha256

    async def segment(self, data: bytes, *, init: bytes = b"init", n: int = 0) -> str:
        sha256, first = self.blob(data), self.blob(init)
        header = self.clock.header()
        await self.intake.decide(
            SegmentAdded(
                **header,
                clip="c",
                camera="cam",
                n=n,
                part=0,
                init=first,
                init_bytes=len(init),
                sha256=sha256,
                bytes=len(data),
                start=0,
                duration=2_000_000,
                wall_start=header["wall"],
                codec="avc1.64001f",
            )
        )
        return sha256

    # --- looking ---------------------------------------------------------------------------------------------------

    async def held(self, lane: str) -> list[bytes]:
        """What our log has of a lane."""
        return [row.data for row in await self.store.log.after(lane, 0, limit=100_000, max_bytes=1 << 40)]

    async def media_done(self, outlet: str = "cloud") -> None:
        """Wait until the outlet has acknowledged every blob."""
        async with asyncio.timeout(10):
            await self.store.blobs.serve([outlet], gt=0)
            await self.store.blobs.fill(outlet)
            while await self.store.blobs.waiting(outlet, limit=1):
                await asyncio.sleep(0.005)

    def told(self, kind: type[Event]) -> list[Any]:
        return [fact for fact in self.decided if isinstance(fact, kind)]


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait for something to become true; AssertionError when it does not."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "this did not happen in time"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def rig(directory: Path, *, gateway: str = GATEWAY) -> AsyncIterator[Rig]:
    """Open the store (again) and run the stand-in pipeline inside the block."""
    os.makedirs(directory, exist_ok=True)
    store = await open_store(directory / "log.db", gateway=gateway)
    made = Rig(directory, store, Intake(), Clock.start(last_gt=store.last_gt, off_time=0))
    made.working.set()
    async with running(_pipeline(made)):
        yield made
    await store.database.close()


@contextlib.asynccontextmanager
async def running(*services: Any) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run coroutines or services for the length of the block; a failure of theirs fails the block's end."""
    coroutines = [service.run() if hasattr(service, "run") else service for service in services]
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result


async def _pipeline(rig: Rig) -> None:
    """Decide, commit, answer; what came before (from elsewhere, or a command) is passed over."""
    store = rig.store
    while True:
        items = await rig.intake.take(500)
        rig.taken += len(items)
        await rig.working.wait()
        known = await store.log.known([item.fact.id for item in items])
        decided: list[Event | Entry] = []
        answers: list[tuple[Input, list[Action]]] = []
        async with store.database.transaction() as transaction:
            rows = []
            for item in items:
                actions: list[Action] = []
                if item.fact.id not in known:
                    known.add(item.fact.id)
                    decided.append(item.fact)
                    actions = _decide(item.fact)
                    rows.append(row(item.fact, data=item.data, is_input=True))
                    rows += [row(action.event, is_input=False) for action in actions if isinstance(action, Note)]
                if item.also is not None:
                    await item.also(transaction)
                await evidence.note(transaction, store.blobs, shown(item.fact, []))
                answers.append((item, actions))
            await store.log.append(transaction, rows)
        store.log.committed()
        rig.decided += decided  # not before: a test that goes on to the next life relies on what is in the log
        for item, actions in answers:
            if item.decided is not None and not item.decided.done():
                item.decided.set_result(actions)


def _decide(fact: Event | Entry) -> list[Action]:
    if not isinstance(fact, CommandReceived):
        return []
    known = fact.name == "silence"
    return [
        Note(
            event=CommandDecided(
                id=ids.derived(fact.id, "decided"),
                gt=fact.gt,
                wall=fact.wall,
                clock=fact.clock,
                cause=fact.id,
                command=fact.command,
                state="done" if known else "refused",
                reason="told to be silent" if known else "not a command of this gateway",
            )
        )
    ]


def noise(size: int) -> bytes:
    """Bytes no two calls share."""
    return os.urandom(size)
