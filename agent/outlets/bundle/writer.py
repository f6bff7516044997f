"""Writing a bundle: gather, sign, encrypt for the relay alone, and give it its name when it is whole on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, get_args

from agent.clock import wall_now
from agent.config.model import AgentConfig
from agent.config.outlets import OutletConfig
from agent.errors import ConfigError, OutletError
from agent.outlets.bundle.archive import Pieces
from agent.outlets.bundle.contents import Contents, fitting
from agent.store import meta
from agent.store.beside import Beside
from agent.store.blobs import Blobs
from agent.store.cursors import Cursors
from agent.store.epochs import lineage
from agent.store.log import Log
from certs import envelope, private, seal
from certs.errors import CertsError, EnvelopeError
from rules import wire
from rules.wire.bundle import BUNDLE, BundleLane, BundleManifest

_MOST_BLOBS = 100_000
_SPARE = 16_000_000  # bytes left free on the medium: its own tables need room, and so do the records
_BUFFER = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A bundle that lies whole on its medium. `left` recordings did not fit, or are not on our disk."""

    path: Path
    sha256: str
    records: int
    blobs: int
    left: int


async def write(
    config: AgentConfig, outlet: OutletConfig, folder: Path, *, limit: int, told: Callable[[int, int], None]
) -> Written | None:
    """Write a bundle for `outlet` into `folder`, with at most `limit` bytes of recordings; None when nothing waits.
    `told(done, of)` hears how far it is, in bytes. ConfigError, StoreError or OutletError say why it cannot be, and
    nothing is left in the folder then."""
    store = Beside(path=config.paths.data / "log.db")
    await store.open()
    try:
        contents, left = await _gather(store, config, outlet, folder, limit=limit)
        if contents is None:
            return None
        path = folder / contents.manifest.name
        sha256 = await _encrypt(contents, outlet, path, told)
        return Written(
            path=path, sha256=sha256, records=contents.records, blobs=len(contents.manifest.blobs), left=left
        )
    finally:
        await store.close()


async def _gather(
    store: Beside, config: AgentConfig, outlet: OutletConfig, folder: Path, *, limit: int
) -> tuple[Contents | None, int]:
    facts = await meta.read_all(store)
    epoch = facts.get("epoch")
    if epoch is None or facts.get("gateway") != config.gateway.id:
        raise ConfigError(f"{store.path} is not the log of gateway {config.gateway.id}")
    log = Log(database=store, gateway=config.gateway.id, epoch=epoch)
    await log.load()
    cursors = Cursors(database=store, log=log)
    lanes: dict[wire.LaneName, BundleLane] = {}
    for lane in get_args(wire.LaneName):
        extent = await _extent(log, cursors, outlet.name, lane)
        if extent is not None:
            lanes[lane] = extent
    before = await lineage(store)
    waiting = await Blobs(database=store).waiting(outlet.name, limit=_MOST_BLOBS)
    blobs, left = fitting(waiting, config.paths.media, room=min(limit, _free(folder) - _SPARE))
    if not lanes and not blobs:
        return None, left
    made = wall_now()
    moment = datetime.fromtimestamp(made / 1e6, UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    manifest = BundleManifest(
        name=f"{config.gateway.id}-{outlet.name}-{moment}.npbundle",
        gateway=config.gateway.id,
        tenant=config.gateway.tenant,
        site=config.gateway.site,
        epoch=epoch,
        supersedes=before[0].supersedes if before else None,
        made=made,
        lanes=lanes,
        blobs=blobs,
        entries_after=await cursors.entries_after(outlet.name),
    )
    assert outlet.identity is not None  # the configuration's own check
    try:
        signed = seal.seal(outlet.identity, manifest.text().encode(), made_for=BUNDLE, role="client")
    except CertsError as error:
        raise ConfigError(f"the bundle cannot be signed: {error}") from None
    return Contents(manifest=manifest, seal=signed.text().encode(), log=log, media=config.paths.media), left


async def _extent(log: Log, cursors: Cursors, outlet: str, lane: wire.LaneName) -> BundleLane | None:
    """From the last receipt to the end of the lane; None when there is nothing in between."""
    done, head = await cursors.acknowledged(outlet, lane), log.head(lane)
    if head.seq <= done:
        return None
    before = await log.chain_at(lane, done)
    if before is None:
        raise OutletError(f"record {done} of lane {lane}, the last with a receipt, is no longer in the log")
    return BundleLane(first=done + 1, prev=before.hex(), last=head.seq, chain=head.chain.hex())


def _free(folder: Path) -> int:
    try:
        room = os.statvfs(folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}; is the medium in its place?") from None
    return room.f_bavail * room.f_frsize


class _Counted:
    """A file that knows the SHA-256 of what was written to it, and the `error` that ended the writing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


async def _encrypt(contents: Contents, outlet: OutletConfig, path: Path, told: Callable[[int, int], None]) -> str:
    """The SHA-256 of the file, which lies whole and durable at `path` then."""
    assert outlet.bundle is not None  # the configuration's own check
    recipient = outlet.bundle.recipient
    loop = asyncio.get_running_loop()
    pieces = Pieces(contents.pieces(lambda done: told(done, contents.size)), loop)
    aside = path.with_name(f".{path.name}.part")

    def work() -> str:
        with aside.open("wb") as file:
            target = _Counted(file)
            try:
                envelope.close(io.BufferedReader(pieces, _BUFFER), target, recipient=recipient)
            except EnvelopeError as error:
                raise pieces.error or target.error or ConfigError(f"outlet {outlet.name}: {error}") from None
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        private.sync_directory(path.parent)
        return target.sha256.hexdigest()

    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise OutletError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)
