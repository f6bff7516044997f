"""Taking a bundle in: its records through the same door as every batch, its recordings into the same directory, and a
signed receipt of what the relay then holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from certs import seal
from certs.identity import Identity
from relay.blobs.directory import BlobDirectory, DiskFull
from relay.bundles.errors import BundleError
from relay.bundles.opened import BatchMember, BlobMember, Member, Opened
from relay.clock import Clock
from relay.ingest import Conflict, Ingest
from relay.peer import Peer
from relay.store import entries, gateways
from relay.store.database import Database
from rules import wire
from rules.errors import WireError
from rules.wire.bundle import RECEIPT, BundleManifest, BundleReceipt

log = structlog.get_logger(__name__)

_MOST_ENTRIES = 5000  # of one receipt; the next bundle asks for the rest
_AHEAD = 86_400_000_000  # µs a gateway's clock may be fast


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The receipt as it is carried back (two lines: itself and its seal), and what was wrong, if something was."""

    name: str
    gateway: str
    receipt: bytes
    problem: str | None


class BundleIntake:
    """`take` a file. `identity` is the folder of the relay's own certificate, `keys` that of the key bundles are
    encrypted for."""

    def __init__(
        self,
        *,
        relay: str,
        identity: Path,
        keys: Path,
        db: Database,
        ingest: Ingest,
        blobs: BlobDirectory,
        clock: Clock,
    ) -> None:
        self._relay = relay
        self._identity = identity
        self._keys = keys
        self._db = db
        self._ingest = ingest
        self._blobs = blobs
        self._clock = clock

    async def take(self, path: Path) -> Taken:
        """BundleError when it is not one for us, of a gateway that may speak here. What is good in a damaged one is
        kept, and the receipt says how much that is."""
        roots = await asyncio.to_thread((self._identity / "trust.pem").read_bytes)
        opened = Opened(path=path, keys=self._keys, roots=roots)
        try:
            manifest, identity = await asyncio.to_thread(opened.begin)
            if manifest.made > self._clock.wall() + _AHEAD:
                raise BundleError(
                    f"{path.name} says it was made after today: set the clock of gateway {manifest.gateway}, or ours"
                )
            peer = Peer(tenant=identity.tenant, site=identity.site, gateway=identity.gateway)
            held: list[str] = []
            problem = await self._all(opened, manifest, peer, held)
            return await self._answer(manifest, identity, held, problem)
        except (gateways.Locked, gateways.OtherTenant) as error:
            raise BundleError(f"{path.name}: {error}") from None
        finally:
            await asyncio.to_thread(opened.close)

    async def _all(self, opened: Opened, manifest: BundleManifest, peer: Peer, held: list[str]) -> str | None:
        """Take member after member; what ended it early."""
        scratch = self._blobs.uploads / f"bundle-{peer.gateway}"
        await asyncio.to_thread(scratch.mkdir, mode=0o750, exist_ok=True)
        members = opened.members(manifest, scratch=scratch)
        try:
            while (member := await asyncio.to_thread(_next, members)) is not None:
                if isinstance(member, BatchMember):
                    await self._records(manifest, peer, member)
                elif await self._recording(peer, member):
                    held.append(member.sha256)
        except BundleError as error:
            log.warning("bundle.cut_short", gateway=peer.gateway, name=manifest.name, reason=str(error))
            return str(error)
        finally:
            await asyncio.to_thread(_clear, scratch)
        return None

    async def _records(self, manifest: BundleManifest, peer: Peer, member: BatchMember) -> None:
        try:
            batch = wire.read_batch(member.data)
            header = batch.header
            extent = manifest.lanes.get(header.lane)
            if (header.gateway, header.epoch, header.lane) != (peer.gateway, manifest.epoch, member.lane):
                raise BundleError(f"{manifest.name}: a batch in it is not what its manifest says")
            if extent is None or not extent.first <= header.first <= extent.last:
                raise BundleError(f"{manifest.name}: a batch in it is not in its manifest")
            answer = await self._ingest.take(peer, batch)
        except WireError as error:
            raise BundleError(f"{manifest.name}: {error}") from None
        if isinstance(answer, Conflict):
            raise BundleError(
                f"{manifest.name}: {answer.detail}. Carry the receipt back, and bring the bundle after it."
            )

    async def _recording(self, peer: Peer, member: BlobMember) -> bool:
        """Whether it is kept here now."""
        if not member.path.exists():
            return False
        if self._blobs.find(peer.tenant, member.sha256) is None:
            try:
                self._blobs.check_room(0)  # its bytes are on this disk already
                await asyncio.to_thread(self._blobs.keep, peer.tenant, member.sha256, member.path)
            except (DiskFull, OSError) as error:
                raise BundleError(f"no more recordings can be kept here: {error}") from None
        with suppress(FileNotFoundError):
            await asyncio.to_thread(member.path.unlink)
        return True

    async def _answer(
        self, manifest: BundleManifest, identity: Identity, held: list[str], problem: str | None
    ) -> Taken:
        peer = Peer(tenant=identity.tenant, site=identity.site, gateway=identity.gateway)
        marks = await self._ingest.watermarks(peer, epoch=manifest.epoch)
        down: list[str] = []
        reached = manifest.entries_after
        async with self._db.read() as connection:
            while len(down) < _MOST_ENTRIES:
                page, after = await entries.downwards(connection, gateway=peer.gateway, after=reached)
                if after == reached:
                    break
                down, reached = down + page, after
        receipt = BundleReceipt(
            relay=self._relay,
            name=manifest.name,
            gateway=manifest.gateway,
            epoch=manifest.epoch,
            made=self._clock.wall(),
            lanes=marks.lanes,
            blobs=held,
            entries=down,
            next=reached,
        )
        text = receipt.text().encode()
        signed = await asyncio.to_thread(seal.seal, self._identity, text, made_for=RECEIPT, role="server")
        log.info("bundle.taken", gateway=manifest.gateway, name=manifest.name, recordings=len(held), problem=problem)
        content = text + b"\n" + signed.text().encode() + b"\n"
        return Taken(name=manifest.name, gateway=manifest.gateway, receipt=content, problem=problem)


def _next(members: Iterator[Member]) -> Member | None:
    return next(members, None)


def _clear(folder: Path) -> None:
    for left in folder.iterdir():
        left.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
