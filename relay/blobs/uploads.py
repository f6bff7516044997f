"""Uploads that can be cut at any byte and go on there.

An upload is a folder of two files: `meta` (what it is to become) and `data`, whose size is the offset. Nothing about
it is kept in memory that a restart would miss. It becomes a blob when it is complete and its digest is right; until
then nobody can see it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from relay.blobs.directory import FULL, BlobDirectory, DiskFull
from relay.errors import NotFound, RelayError
from relay.failpoints import reach

log = structlog.get_logger(__name__)

STALE_SECONDS = 7 * 24 * 3600
MOST_PER_GATEWAY = 64
BUFFER = 524_288
_ID = re.compile(r"[0-9a-f]{32}")


class WrongOffset(RelayError):
    """The client is somewhere else than the file; `expected` is where the file is."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"the upload stands at byte {expected}")
        self.expected = expected


class WrongDigest(RelayError):
    """The bytes are not those that were announced. The upload is gone: begin again."""


class WrongLength(RelayError):
    """More bytes than announced, or complete with fewer."""


class TooMany(RelayError):
    """The gateway has too many unfinished uploads."""

    permanent = False


class Superseded(RelayError):
    """Another request took this upload over."""

    permanent = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One unfinished upload."""

    id: str
    tenant: str
    gateway: str
    sha256: str
    length: int
    offset: int


@dataclass(slots=True)
class _Turn:
    """Who may write an upload right now: the latest request; the lock covers one piece being written."""

    holder: object | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Uploads:
    """`create`, `append`, `offset`, `delete`; `sweep` removes what nobody came back for within 7 days."""

    def __init__(self, *, directory: BlobDirectory) -> None:
        self._directory = directory
        self._turns: dict[str, _Turn] = {}

    def _folder(self, upload: str) -> Path:
        if not _ID.fullmatch(upload):
            raise NotFound("there is no such upload")
        return self._directory.uploads / upload

    def begun(self, *, tenant: str, gateway: str, sha256: str, length: int) -> str | None:
        """The id of an unfinished upload of the same blob by the same gateway: one that was restarted, and no longer
        knows how far it had come, goes on there. Blocking, but only small files."""
        same = {"tenant": tenant, "gateway": gateway, "sha256": sha256, "length": length}
        return next((path.name for path in self._of(gateway) if _meta(path) == same), None)

    def create(self, *, tenant: str, gateway: str, sha256: str, length: int) -> Upload:
        """Begin. DiskFull, ReadOnly, BadName, TooMany. Blocking, but only small files."""
        self._directory.path(tenant, sha256)  # checks both words
        self._directory.check_room(length)
        self._make_place(gateway)
        identity = uuid4().hex
        folder = self._directory.uploads / identity
        meta = {"tenant": tenant, "gateway": gateway, "sha256": sha256, "length": length}
        try:
            folder.mkdir(mode=0o750)
            (folder / "meta").write_text(json.dumps(meta))
            (folder / "data").touch(mode=0o640)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise _full(error) from None
        return Upload(id=identity, tenant=tenant, gateway=gateway, sha256=sha256, length=length, offset=0)

    def _make_place(self, gateway: str) -> None:
        """Of too many unfinished ones the one that was left alone longest goes: kills of either end must not add up
        until nothing can be sent for a week."""
        unfinished = self._of(gateway)
        if len(unfinished) < MOST_PER_GATEWAY:
            return
        idle = [path for path in unfinished if path.name not in self._turns]
        if not idle:
            raise TooMany(f"{MOST_PER_GATEWAY} uploads of this gateway are under way; finish or delete some")
        oldest = min(idle, key=_touched)
        shutil.rmtree(oldest, ignore_errors=True)
        log.info("upload.gave_way", upload=oldest.name, gateway=gateway)

    def _of(self, gateway: str) -> list[Path]:
        return [path for path in self._directory.uploads.iterdir() if (_meta(path) or {}).get("gateway") == gateway]

    async def find(self, upload: str, *, gateway: str) -> Upload:
        """The upload as it stands, taken from whoever was still writing it (a request whose connection is half open
        must not block the next). NotFound when it is not this gateway's, finished, or swept."""
        folder = self._folder(upload)
        turn = self._turns.get(upload)
        if turn is not None:
            turn.holder = None
            async with turn.lock:
                return self._read(folder, gateway)
        return self._read(folder, gateway)

    def _read(self, folder: Path, gateway: str) -> Upload:
        meta = _meta(folder)
        if meta is None or meta["gateway"] != gateway:
            raise NotFound("there is no such upload: it is finished, deleted, or was left alone for 7 days")
        return Upload(
            id=folder.name,
            tenant=str(meta["tenant"]),
            gateway=gateway,
            sha256=str(meta["sha256"]),
            length=int(meta["length"]),
            offset=(folder / "data").stat().st_size,
        )

    async def append(
        self, upload: str, *, gateway: str, offset: int, body: AsyncIterator[bytes], complete: bool
    ) -> tuple[Upload, bool]:
        """Add bytes at `offset`; with `complete` they are the last, and the blob is kept: (upload, True). What arrived
        before the connection broke stays. WrongOffset, WrongLength, WrongDigest, DiskFull, Superseded, NotFound."""
        current = await self.find(upload, gateway=gateway)
        if offset != current.offset:
            raise WrongOffset(current.offset)
        turn = self._turns.setdefault(upload, _Turn())
        turn.users += 1
        turn.holder = me = object()
        digest = hashlib.sha256() if offset == 0 else None
        pending = bytearray()
        path = self._folder(upload) / "data"

        async def write() -> None:
            nonlocal offset
            piece = bytes(pending)
            pending.clear()
            if not piece:
                return
            async with turn.lock:
                if turn.holder is not me:
                    raise Superseded("a later request goes on with this upload")
                offset += await asyncio.to_thread(_append, path, offset, piece, digest)
                reach("upload.after_chunk")

        try:
            try:
                async for chunk in body:
                    if offset + len(pending) + len(chunk) > current.length:
                        raise WrongLength(f"{current.length} bytes were announced, more came")
                    pending += chunk
                    if len(pending) >= BUFFER:
                        await write()
            finally:
                await write()
            if not complete:
                return self._read(self._folder(upload), gateway), False
            async with turn.lock:
                if turn.holder is not me:
                    raise Superseded("a later request goes on with this upload")
                await self._finish(current, offset, digest)
            return current, True
        finally:
            turn.users -= 1
            if not turn.users:
                self._turns.pop(upload, None)

    async def _finish(self, upload: Upload, offset: int, digest: hashlib._Hash | None) -> None:
        folder = self._folder(upload.id)
        if offset != upload.length:
            raise WrongLength(f"{upload.length} bytes were announced, {offset} came")
        found = digest.hexdigest() if digest else await asyncio.to_thread(_sha256, folder / "data")
        if found != upload.sha256:
            await asyncio.to_thread(shutil.rmtree, folder)
            raise WrongDigest(f"the bytes have the SHA-256 {found}, announced was {upload.sha256}")
        reach("upload.before_complete")
        try:
            await asyncio.to_thread(self._directory.keep, upload.tenant, upload.sha256, folder / "data")
        except OSError as error:
            raise _full(error) from None
        reach("upload.after_keep_before_reply")
        await asyncio.to_thread(shutil.rmtree, folder)

    async def delete(self, upload: str, *, gateway: str) -> None:
        """Give up on an upload. NotFound."""
        found = await self.find(upload, gateway=gateway)
        await asyncio.to_thread(shutil.rmtree, self._folder(found.id), ignore_errors=True)

    def sweep(self) -> int:
        """Remove what nobody came back for; returns how many. Blocking."""
        removed = 0
        now = time.time()  # compared with file times, which are wall time
        for folder in self._directory.uploads.iterdir():
            if now - _touched(folder) > STALE_SECONDS and folder.name not in self._turns:
                shutil.rmtree(folder, ignore_errors=True)
                log.info("upload.swept", upload=folder.name)
                removed += 1
        return removed


def _touched(folder: Path) -> float:
    """When something of an upload was last written."""
    return max((path.stat().st_mtime for path in folder.iterdir()), default=folder.stat().st_mtime)


def _meta(folder: Path) -> dict[str, Any] | None:
    try:
        loaded = json.loads((folder / "meta").read_text())
    except (OSError, ValueError):  # a folder whose making was interrupted: the sweep takes it
        return None
    return loaded if isinstance(loaded, dict) else None


def _append(path: Path, offset: int, piece: bytes, digest: hashlib._Hash | None) -> int:
    """Write at `offset`; returns how many bytes were written. DiskFull leaves the file at a size that is its offset."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    written = 0
    try:
        while written < len(piece):
            count = os.pwrite(handle, piece[written:], offset + written)
            written += count
    except OSError as error:
        raise _full(error) from None
    finally:
        os.close(handle)
    if digest is not None:
        digest.update(piece)
    return written


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _full(error: OSError) -> OSError | DiskFull:
    return DiskFull("there is no room left for media") if error.errno in FULL else error
