"""One blob to one relay: at once when it is small, in pieces that survive a cut connection when it is not.

Theory of operation: HEAD asks whether the relay has it. If not, a small one goes in one POST. A large one, or a small
one that was interrupted before, is announced (POST, Upload-Complete: ?0), then sent piece by piece (PATCH at
Upload-Offset); after a cut, HEAD on the upload says where to go on. The relay checks the SHA-256 at the end. Between
two pieces whoever is more urgent goes first.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.errors import OutletError
from agent.outlets.answers import DigestDiffers, Disagreement, Later, Reply, TooLarge, Unknown, demand
from agent.outlets.blob_file import BlobFile

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

AT_ONCE = 1_048_576  # bytes that may go in one request
SMALLEST_PIECE, LARGEST_PIECE = 16_384, 4_194_304
_FIRST_PIECE = 262_144
_REMEMBERED = 8  # interrupted uploads whose place at the relay is kept in mind


class Interrupted(Exception):
    """Something more urgent waits; the upload goes on later where it was."""


class Uploads:
    """The uploads to one relay, one at a time."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._piece = _FIRST_PIECE
        self._places: OrderedDict[str, str] = OrderedDict()  # sha256 -> path of its upload at the relay
        self._cut: OrderedDict[str, None] = OrderedDict()  # small ones that did not get through in one go

    async def send(self, client: RelayClient, blob: BlobFile, *, urgent: Callable[[], bool]) -> None:
        """Returns once the relay holds it. Interrupted when `urgent()` says so between pieces; OutletError as it comes;
        DigestDiffers when the bytes arrive changed twice; TooLarge when the relay takes no blob of this size."""
        for last_try in (False, True):
            try:
                if blob.size <= self._at_once and blob.sha256 not in self._cut:
                    await self._at_once_or_cut(client, blob)
                else:
                    await self._in_pieces(client, blob, urgent)
            except (DigestDiffers, Unknown):
                # Damaged on the way, or the relay has forgotten the upload: once more, from the beginning.
                self._places.pop(blob.sha256, None)
                if last_try:
                    raise
            else:
                self._places.pop(blob.sha256, None)
                self._cut.pop(blob.sha256, None)
                return

    async def _at_once_or_cut(self, client: RelayClient, blob: BlobFile) -> None:
        content = await blob.read(0, blob.size)
        headers = _announcement(blob) | {"upload-complete": "?1"}
        try:
            _taken(await client.request("POST", "/v1/blobs", headers=headers, content=content), client.relay)
        except (Later, DigestDiffers, TooLarge, Unknown):
            raise
        except OutletError:
            self._cut[blob.sha256] = None
            while len(self._cut) > _REMEMBERED:
                self._cut.popitem(last=False)
            raise

    async def _in_pieces(self, client: RelayClient, blob: BlobFile, urgent: Callable[[], bool]) -> None:
        place = self._places.get(blob.sha256)
        if place is None:
            place = await self._announce(client, blob)
            if place is None:
                return
            offset, complete = 0, False
        else:
            offset, complete = await self._where(client, place), False
        stuck = 0
        while not complete:
            if urgent():
                raise Interrupted
            if offset > blob.size:
                raise Unknown(f"{client.relay} says it has more of a blob than there is")
            try:
                offset, complete = await self._patch(client, place, blob, offset)
                stuck = 0
            except Disagreement as error:
                stuck += 1
                if error.expected is None or stuck > 2:
                    raise Unknown(str(error)) from None  # begin anew rather than argue
                offset = error.expected

    async def _announce(self, client: RelayClient, blob: BlobFile) -> str | None:
        """Where it goes; None when the relay has it after all (an earlier last piece whose answer was lost)."""
        headers = _announcement(blob) | {"upload-complete": "?0"}
        reply = _taken(await client.request("POST", "/v1/blobs", headers=headers), client.relay)
        if reply.headers.get("upload-complete") == "?1":
            return None
        place = reply.headers.get("location", "")
        # A place elsewhere would send our media there.
        if not place.startswith("/v1/uploads/") or ".." in place:
            raise OutletError(f"{client.relay} named no place of its own for an upload")
        self._places[blob.sha256] = place
        while len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
        return place

    async def _where(self, client: RelayClient, place: str) -> int:
        return _offset(_taken(await client.request("HEAD", place), client.relay), client.relay)

    async def _patch(self, client: RelayClient, place: str, blob: BlobFile, offset: int) -> tuple[int, bool]:
        length = min(self._piece, blob.size - offset)
        last = offset + length == blob.size
        headers = {
            "content-type": "application/partial-upload",
            "upload-offset": str(offset),
            "upload-complete": "?1" if last else "?0",
        }
        content = await blob.read(offset, length)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            reply = _taken(await client.request("PATCH", place, headers=headers, content=content), client.relay)
        except TooLarge:
            if length <= SMALLEST_PIECE:
                raise
            self._piece = max(SMALLEST_PIECE, length // 2)
            return offset, False
        if not last:
            # About a second's worth each: short enough to let an alarm through, long enough to keep the line busy.
            goodput = length / max(loop.time() - started, 0.001)
            self._piece = int(min(max(goodput, length / 2, SMALLEST_PIECE), length * 2, LARGEST_PIECE))
        now = _offset(reply, client.relay)
        if now <= offset and length:
            raise OutletError(f"{client.relay} takes nothing of an upload")
        return now, last and now == blob.size


def _announcement(blob: BlobFile) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(blob.sha256)).decode()
    return {"repr-digest": f"sha-256=:{digest}:", "upload-length": str(blob.size)}


def _taken(reply: Reply, relay: str) -> Reply:
    """Created or no content: any other yes was not said by a relay, and a recording must not be believed to be safe."""
    if demand(reply, relay=relay).status not in (201, 204):
        raise OutletError(f"{relay} answered a recording with {reply.status}, which a relay does not")
    return reply


def _offset(reply: Reply, relay: str) -> int:
    value = reply.headers.get("upload-offset", "")
    if not value.isdigit():
        raise OutletError(f"{relay} did not say how much of an upload it has")
    return int(value)
