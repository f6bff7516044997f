"""One blob to one relay: at once when it is small, in pieces that survive a cut connection when it is not.

Theory of operation: a small one goes in one POST. A large one, or a small one that was interrupted before, is
announced (POST, Upload-Complete: ?0: the answer says whether the relay has it), then sent piece by piece (PATCH at
Upload-Offset); after a cut, HEAD on the upload says where to go on. The relay checks the SHA-256 at the end. Before
each piece somebody is asked how much may leave, so whoever is more urgent goes first, and a rate is kept.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from agent.errors import OutletError
from agent.outlets.answers import DigestDiffers, Disagreement, Later, Reply, TooLarge, Unknown, demand
from agent.outlets.blob_file import BlobFile

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

AT_ONCE = 1_048_576  # bytes that may go in one request
SMALLEST_PIECE, LARGEST_PIECE = 16_384, 4_194_304
_FIRST_PIECE = 65_536
_FIRST_STILL = (
    262_144  # bytes that go at once over a line that was not measured yet: the first picture waits for nothing
)
_REMEMBERED = 8  # interrupted uploads whose place at the relay is kept in mind

# Asked with the bytes of the next piece: returns how many of them may leave, or raises Interrupted.
Turn = Callable[[int], Awaitable[int]]


class Interrupted(Exception):
    """Something more urgent waits; the upload goes on later where it was."""


async def at_will(want: int) -> int:
    """A turn that holds nothing back."""
    return want


class Uploads:
    """The uploads to one relay, one at a time. `piece` is about a second's worth of the line, in bytes."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self.piece = _FIRST_PIECE
        self._measured_once = False
        self._at_once = at_once
        # sha256 -> path of its upload at the relay, and how far it has come (None: the relay has to be asked)
        self._places: OrderedDict[str, tuple[str, int | None]] = OrderedDict()
        self._cut: OrderedDict[str, None] = OrderedDict()  # small ones that did not get through in one go

    def in_one(self, blob: BlobFile) -> bool:
        """Whether it goes in one request: small, also for this line, and not interrupted before."""
        most = self.piece if self._measured_once else _FIRST_STILL
        return blob.size <= min(most, self._at_once) and blob.sha256 not in self._cut

    async def send(self, client: RelayClient, blob: BlobFile, *, turn: Turn = at_will) -> None:
        """Returns once the relay holds it. Interrupted when `turn` says so between pieces; OutletError as it comes;
        Unusable when our own bytes are not those it is named by; DigestDiffers when good bytes arrive changed twice;
        TooLarge when the relay takes no blob of this size."""
        for last_try in (False, True):
            try:
                first = await turn(blob.size) if self.in_one(blob) else 0
                if first == blob.size:
                    await self._at_once_or_cut(client, blob)
                else:
                    await self._in_pieces(client, blob, turn, first=first)
            except (DigestDiffers, Unknown) as error:
                self._places.pop(blob.sha256, None)
                if isinstance(error, DigestDiffers):
                    await blob.verify()
                # Damaged on the way, or the relay has forgotten the upload: once more, from the beginning.
                if last_try:
                    raise
            else:
                self._places.pop(blob.sha256, None)
                self._cut.pop(blob.sha256, None)
                return

    async def _at_once_or_cut(self, client: RelayClient, blob: BlobFile) -> None:
        content = await blob.read(0, blob.size)
        headers = _announcement(blob) | {"upload-complete": "?1"}
        started = asyncio.get_running_loop().time()
        try:
            _taken(await client.request("POST", "/v1/blobs", headers=headers, content=content), client.relay)
        except (Later, DigestDiffers, TooLarge, Unknown):
            raise
        except OutletError:
            self._cut[blob.sha256] = None
            self.piece = max(SMALLEST_PIECE, self.piece // 2)
            while len(self._cut) > _REMEMBERED:
                self._cut.popitem(last=False)
            raise
        if blob.size >= SMALLEST_PIECE:
            self._measured(blob.size, started)

    async def _in_pieces(self, client: RelayClient, blob: BlobFile, turn: Turn, *, first: int) -> None:
        """`first` bytes may leave without asking again."""
        place, offset = self._places.get(blob.sha256, ("", None))
        if not place:
            announced = await self._announce(client, blob)
            if announced is None:
                return
            place, offset = announced
        elif offset is None:
            offset = await self._where(client, place)
        self._places[blob.sha256] = (place, None)  # until we know again: the connection may break in a request
        complete, stuck = False, 0
        while not complete:
            if offset > blob.size:
                raise Unknown(f"{client.relay} says it has more of a blob than there is")
            try:
                left = blob.size - offset
                length = min(first, left) if first else await turn(min(self.piece, left))
                first = 0
            except Interrupted:
                self._places[blob.sha256] = (place, offset)
                raise
            try:
                offset, complete = await self._patch(client, place, blob, offset, length)
                stuck = 0
            except Disagreement as error:
                stuck += 1
                if error.expected is None or stuck > 2:
                    raise Unknown(str(error)) from None  # begin anew rather than argue
                offset = error.expected

    async def _announce(self, client: RelayClient, blob: BlobFile) -> tuple[str, int] | None:
        """Where it goes, and from which byte on: not the first, when this process was restarted amid an upload. None
        when the relay has it (also after a last piece whose answer was lost)."""
        headers = _announcement(blob) | {"upload-complete": "?0"}
        reply = _taken(await client.request("POST", "/v1/blobs", headers=headers), client.relay)
        if reply.headers.get("upload-complete") == "?1":
            return None
        place = reply.headers.get("location", "")
        # A place elsewhere would send our media there.
        if not place.startswith("/v1/uploads/") or ".." in place:
            raise OutletError(f"{client.relay} named no place of its own for an upload")
        offset = reply.headers.get("upload-offset", "0")
        self._places[blob.sha256] = (place, None)
        while len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
        return place, int(offset) if offset.isdigit() else 0

    async def _where(self, client: RelayClient, place: str) -> int:
        return _offset(_taken(await client.request("HEAD", place), client.relay), client.relay)

    async def _patch(
        self, client: RelayClient, place: str, blob: BlobFile, offset: int, length: int
    ) -> tuple[int, bool]:
        last = offset + length == blob.size
        headers = {
            "content-type": "application/partial-upload",
            "upload-offset": str(offset),
            "upload-complete": "?1" if last else "?0",
        }
        content = await blob.read(offset, length)
        started = asyncio.get_running_loop().time()
        try:
            reply = _taken(await client.request("PATCH", place, headers=headers, content=content), client.relay)
        except TooLarge:
            if length <= SMALLEST_PIECE:
                raise
            self.piece = max(SMALLEST_PIECE, length // 2)
            return offset, False
        except (Later, Disagreement, DigestDiffers, Unknown):
            raise
        except OutletError:
            # A line that breaks is a line on which little should be lost at once.
            self.piece = max(SMALLEST_PIECE, self.piece // 2)
            raise
        if not last:
            self._measured(length, started)
        now = _offset(reply, client.relay)
        if now <= offset and length:
            raise OutletError(f"{client.relay} takes nothing of an upload")
        return now, last and now == blob.size

    def _measured(self, length: int, started: float) -> None:
        """About a second's worth each: short enough to let an alarm through, long enough to keep the line busy."""
        goodput = length / max(asyncio.get_running_loop().time() - started, 0.001)
        # A piece far below a second's worth measures the way there and back: it proves speed, never slowness.
        least = self.piece / 2 if length >= self.piece / 2 else self.piece
        near = min(max(goodput, least), self.piece * 2)
        self._measured_once = True
        self.piece = int(min(max(near, SMALLEST_PIECE), LARGEST_PIECE))


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
