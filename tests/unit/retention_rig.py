"""The retention on a real store and a real media directory; the worker's part runs without its process."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from agent.config.media import MediaConfig
from agent.intake import Input
from agent.retention.forecast import Figures
from agent.retention.retention import Retention
from agent.video import blobs as blob_store
from agent.video import disposal
from agent.video.blobs import BlobStore
from agent.video.messages import Evict, Hello, ListFiles, NewClips
from rules.events import ClipOpened, ClipSealed, Event, MediaHeld, MediaReleased, SegmentAdded, StillTaken
from rules.units import DAY, HOUR
from tests.unit.agent_rig import Rig, rig

KEEPER = "cloud"
SEGMENT = 40_000  # bytes
INIT = b"the beginning of every clip of this camera"


@dataclass
class Disk:
    """One gateway's media disk of `limit` bytes. Days pass when a test says so."""

    rig: Rig
    store: BlobStore
    path: Path
    config: MediaConfig
    random: random.Random
    retention: Retention = field(init=False)
    worker: bool = True
    configured: tuple[str, ...] = ()
    blobs: dict[str, list[str]] = field(default_factory=dict)  # incident -> names, as this test made them
    told: list[NewClips] = field(default_factory=list)
    orders: list[Evict | ListFiles] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)

    def order(self, message: Evict | ListFiles) -> bool:
        """What the link would do: hand the order to the worker, and its answer back."""
        if not self.worker:
            return False
        self.orders.append(message)
        answer = (
            disposal.evict(self.store, message, needed=self.needed)
            if isinstance(message, Evict)
            else disposal.files(self.store, message)
        )
        if answer is not None:
            asyncio.get_running_loop().call_soon(self.retention.heard, answer)
        return True

    async def tell(self, *facts: Event) -> None:
        done: list[asyncio.Future[object]] = []
        for fact in facts:
            decided = asyncio.get_running_loop().create_future()
            done.append(decided)
            await self.rig.intake.offer(Input(fact=fact, decided=decided))
        await asyncio.gather(*done)

    async def record(
        self, *, segments: int = 3, incident: str | None = None, seal: bool = True, again: tuple[str, ...] = ()
    ) -> str:
        """A clip and a still of an incident; `again` are segments it shares with another one."""
        incident = incident or str(uuid4())
        clip, still = str(uuid4()), str(uuid4())
        head = self.rig.clock.header
        init = self.store.put(INIT)
        facts: list[Event] = [
            ClipOpened(
                **head(), clip=clip, incident=incident, camera="cam", trigger=1, pre=0, post=1, start=0, mark=0,
                width=1, height=1,
            )
        ]  # fmt: skip
        names = [init.sha256]
        pieces = [self.store.put(self.random.randbytes(SEGMENT)) for _ in range(segments)]
        pieces += [blob_store.Blob(sha256=name, bytes=SEGMENT) for name in again]
        for n, blob in enumerate(pieces):
            names.append(blob.sha256)
            facts.append(
                SegmentAdded(
                    **head(),
                    clip=clip,
                    camera="cam",
                    n=n,
                    part=0,
                    init=init.sha256,
                    init_bytes=init.bytes,
                    sha256=blob.sha256,
                    bytes=blob.bytes,
                    start=n,
                    duration=1,
                    wall_start=n,
                    codec="avc1.42001f",
                )
            )
        picture = self.store.put(self.random.randbytes(2_000))
        names.append(picture.sha256)
        facts.append(
            StillTaken(
                **head(), still=still, incident=incident, camera="cam", sha256=picture.sha256, bytes=picture.bytes,
                taken=1, width=1, height=1,
            )
        )  # fmt: skip
        if seal:
            facts.append(ClipSealed(**head(), clip=clip, camera="cam", end=1, segments=segments, reason="complete"))
        await self.tell(*facts)
        self.blobs.setdefault(incident, []).extend(names)
        return incident

    async def sync(self, incident: str) -> None:
        for name in dict.fromkeys(self.blobs[incident]):
            await self.rig.store.blobs.acknowledge(KEEPER, name, wall=1)

    async def hold(self, incident: str) -> None:
        await self.tell(MediaHeld(**self.rig.clock.header(), incident=incident, by="Ada", reason="police"))

    async def release(self, incident: str) -> None:
        await self.tell(MediaReleased(**self.rig.clock.header(), incident=incident, by="Ada"))

    async def look(self) -> None:
        """One look of the retention."""
        await self.retention.look()

    def later(self, span: int) -> None:
        """Gateway time goes on by so many µs, and with it the worker's idea of what is fresh."""
        self.rig.clock.base += span
        self.store._asked.clear()

    @property
    def figures(self) -> Figures:
        """As of the last look."""
        assert self.retention.figures is not None
        return self.retention.figures

    @property
    def clips(self) -> str:
        """Whether the worker was last told to take new ones."""
        return self.told[-1].state

    async def compare(self) -> None:
        """A look as the first one after a worker's start has settled."""
        self.retention.heard(Hello(pid=2, version="1"))
        self.retention._worker_since = float("-inf")
        await self.look()

    def successor(self) -> Retention:
        """The retention of a core that was started anew."""
        self.retention = self.make()
        self.retention.heard(Hello(pid=1, version="1"))
        return self.retention

    def make(self) -> Retention:
        return Retention(
            database=self.rig.store.database,
            intake=self.rig.intake,
            clock=self.rig.clock,
            path=self.path,
            config=self.config,
            order=self.order,
            new_clips=self.told.append,
            keepers=lambda: self.configured,
        )

    def files(self) -> set[str]:
        return {path.name for path in (self.path / "blobs").rglob("*") if path.is_file()}

    async def rows(self) -> set[str]:
        return {str(row[0]) for row in await self.rig.store.database.read("SELECT sha256 FROM footage")}

    async def gone(self) -> list[str]:
        """Incidents told as evicted, in order."""
        rows = await self.rig.store.database.read(
            "SELECT json_extract(CAST(bytes AS TEXT), '$.body.incident') FROM log"
            " WHERE kind = 'media.evicted' ORDER BY pos"
        )
        return [str(row[0]) for row in rows]

    def whole(self, incident: str) -> bool:
        """Whether all of it is still on the disk."""
        return set(self.blobs[incident]) <= self.files()


@contextlib.asynccontextmanager
async def disk(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    limit: int = 1_000_000,
    keeper: bool = True,
    seed: int = 1,
    media: Path | None = None,
    patience: float = 120.0,
    warn_days: int = 3,
) -> AsyncIterator[Disk]:
    """Everything open, the pipeline turning."""
    async with asyncio.timeout(patience), rig(folder, patch) as it, it.running():  # a pipeline that died answers nobody
        if keeper:
            await it.store.blobs.serve([KEEPER], gt=0)
        media = media or folder / "media"
        store = BlobStore(media)
        store.prepare()
        config = MediaConfig.model_construct(
            keep=90 * DAY, high_water=90, low_water=85, limit=limit, warn_days=warn_days
        )
        made = Disk(rig=it, store=store, path=media, config=config, random=random.Random(seed))
        made.successor()
        it.clock.base += HOUR
        yield made


__all__ = ["KEEPER", "SEGMENT", "Disk", "disk"]
