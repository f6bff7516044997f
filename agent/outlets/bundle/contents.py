"""What goes into a bundle: everything the outlet has given no receipt for, up to where the log ends now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import OutletError
from agent.outlets.blob_file import path_of
from agent.outlets.bundle.archive import END, header, padding
from agent.store.blobs import Blob
from agent.store.log import Log
from rules import wire
from rules.wire.bundle import BundleBlob, BundleLane, BundleManifest

_BATCH_BYTES = 256_000
_PIECE = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A manifest, and where what it names is read from. `seal` is the signature of the manifest's bytes."""

    manifest: BundleManifest
    seal: bytes
    log: Log
    media: Path

    @property
    def size(self) -> int:
        """About how many bytes it will have, for a progress bar: the recordings, which are nearly all of it."""
        return sum(blob.bytes for blob in self.manifest.blobs)

    @property
    def records(self) -> int:
        """How many records it has."""
        return sum(lane.last - lane.first + 1 for lane in self.manifest.lanes.values())

    async def pieces(self, told: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The archive, piece by piece; `told` hears how many bytes of recordings have gone. OutletError when something
        cannot be read any more."""
        made = self.manifest.made
        for name, content in (("manifest.json", self.manifest.text().encode()), ("seal.json", self.seal)):
            yield header(name, len(content), made=made) + content + padding(len(content))
        for lane, extent in self.manifest.lanes.items():
            async for number, batch in self._batches(lane, extent):
                yield header(f"{lane}/{number:08d}.ndjson", len(batch), made=made) + batch + padding(len(batch))
        done = 0
        for blob in self.manifest.blobs:
            yield header(f"blobs/{blob.sha256}", blob.bytes, made=made)
            async for piece in self._blob(blob):
                yield piece
                done += len(piece)
                told(done)
            yield padding(blob.bytes)
        yield END

    async def _batches(self, lane: wire.LaneName, extent: BundleLane) -> AsyncIterator[tuple[int, bytes]]:
        seq, chain, number = extent.first - 1, extent.prev, 0
        while seq < extent.last:
            number += 1
            limit = min(wire.MAX_BATCH_RECORDS, extent.last - seq)
            kept = await self.log.after(lane, seq, limit=limit, max_bytes=_BATCH_BYTES)
            if not kept or kept[0].since != seq + 1:
                raise OutletError(f"record {seq + 1} of lane {lane} is no longer in the log; write the bundle again")
            whose = wire.Header(
                gateway=self.log.gateway,
                epoch=self.manifest.epoch,
                lane=lane,
                first=seq + 1,
                prev=chain,
                supersedes=self.manifest.supersedes,
            )
            yield number, wire.write_batch(whose, [row.data for row in kept])
            seq, chain = kept[-1].seq, kept[-1].chain.hex()

    async def _blob(self, blob: BundleBlob) -> AsyncIterator[bytes]:
        path = path_of(self.media, blob.sha256)
        left = blob.bytes
        try:
            with path.open("rb", buffering=0) as file:
                while left:
                    piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                    if not piece:
                        raise OutletError(f"{path} became shorter while it was read; write the bundle again")
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise OutletError(f"{path} cannot be read ({error.strerror}); write the bundle again") from None


def fitting(waiting: Sequence[Blob], media: Path, *, room: int) -> tuple[list[BundleBlob], int]:
    """The recordings that fit into `room` bytes, the most important first, and how many do not or are not there."""
    found: list[BundleBlob] = []
    left = 0
    for blob in waiting:
        try:
            there = path_of(media, blob.sha256).stat().st_size == blob.bytes
        except OSError:
            there = False
        if there and blob.bytes <= room:
            found.append(BundleBlob(sha256=blob.sha256, bytes=blob.bytes))
            room -= blob.bytes
        else:
            left += 1
    return found, left
