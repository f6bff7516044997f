"""Media: is it here (`HEAD`), and resumable uploads in the shape of the IETF draft."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from relay.api.peers import peer_of
from relay.api.problem import problem
from relay.blobs.directory import BadName, BlobDirectory, DiskFull, ReadOnly
from relay.blobs.uploads import Superseded, TooMany, Upload, Uploads, WrongDigest, WrongLength, WrongOffset
from relay.changes import Changes
from relay.errors import NotFound, RelayError
from relay.metrics import Metrics
from relay.peer import Peer
from relay.store import media
from relay.store.database import Database

log = structlog.get_logger(__name__)

IDLE_SECONDS = 30
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


def _refusal(error: RelayError) -> Response:
    """The response each error means."""
    match error:
        case WrongOffset():
            facts = {"expected-offset": error.expected}
            return problem(409, "wrong-offset", str(error), headers={"upload-offset": str(error.expected)}, facts=facts)
        case WrongDigest():
            return problem(460, "wrong-digest", str(error))
        case WrongLength() | BadName():
            return problem(400, "bad-request", str(error))
        case DiskFull():
            return problem(507, "disk-full", str(error), headers={"retry-after": "60"})
        case ReadOnly():
            return problem(403, "keeps-no-copy", str(error))
        case TooMany():
            return problem(429, "too-many-uploads", str(error), headers={"retry-after": "10"})
        case Superseded():
            return problem(409, "superseded", str(error))
        case NotFound():
            return problem(404, "not-found", str(error))
    raise error


def _number(request: Request, name: str) -> int | None:
    text = request.headers.get(name, "")
    return int(text) if text.isdigit() and len(text) < 16 else None


def _complete(request: Request) -> bool | None:
    return {"?0": False, "?1": True}.get(request.headers.get("upload-complete", ""))


async def _steady(request: Request) -> AsyncIterator[bytes]:
    """The body, piece by piece; a pause of IDLE_SECONDS ends it like a broken connection."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ClientDisconnect from None
        if chunk:
            yield chunk


class _Blobs:
    """The endpoints, with what they work on."""

    def __init__(
        self,
        *,
        directory: BlobDirectory,
        uploads: Uploads,
        db: Database,
        changes: Changes,
        metrics: Metrics,
        largest: int,
    ) -> None:
        self._directory = directory
        self._uploads = uploads
        self._db = db
        self._changes = changes
        self._metrics = metrics
        self._largest = largest

    async def head(self, request: Request) -> Response:
        size = self._directory.size(peer_of(request).tenant, request.path_params["sha256"])
        if size is None:
            return Response(status_code=404)
        return Response(status_code=200, headers={"content-length": str(size)})

    async def create(self, request: Request) -> Response:
        peer = peer_of(request)
        self._directory.check_writable()
        sha256 = _digest(request.headers.get("repr-digest", ""))
        complete = _complete(request)
        length = _number(request, "upload-length")
        if length is None and complete:
            length = _number(request, "content-length")
        if sha256 is None or complete is None or length is None:
            return problem(
                400, "bad-request", "needed: Repr-Digest: sha-256=:base64:, Upload-Length, Upload-Complete: ?0 or ?1"
            )
        if not 0 < length <= self._largest:
            return problem(413, "too-large", f"a blob may have 1 to {self._largest} bytes")
        if self._directory.find(peer.tenant, sha256) is not None:
            return Response(status_code=201, headers={"upload-complete": "?1", "upload-offset": str(length)})
        begun = None
        if not complete and not _number(request, "content-length"):  # announced only: nothing comes with it
            begun = self._uploads.begun(tenant=peer.tenant, gateway=peer.gateway, sha256=sha256, length=length)
        if begun is not None:
            upload = await self._uploads.find(begun, gateway=peer.gateway)
            headers = {"upload-offset": str(upload.offset), "upload-complete": "?0"}
            return Response(status_code=201, headers=headers | {"location": f"/v1/uploads/{upload.id}"})
        upload = self._uploads.create(tenant=peer.tenant, gateway=peer.gateway, sha256=sha256, length=length)
        try:
            response = await self._append(request, peer, upload, offset=0, complete=complete)
        except (RelayError, ClientDisconnect):
            # Its Location never reached the client: nobody could go on with it.
            await self._forget(upload)
            raise
        response.headers["location"] = f"/v1/uploads/{upload.id}"
        return response

    async def _forget(self, upload: Upload) -> None:
        try:
            await self._uploads.delete(upload.id, gateway=upload.gateway)
        except NotFound:
            return

    async def state(self, request: Request) -> Response:
        upload = await self._uploads.find(request.path_params["upload"], gateway=peer_of(request).gateway)
        headers = {
            "upload-offset": str(upload.offset),
            "upload-length": str(upload.length),
            "upload-complete": "?0",
            "cache-control": "no-store",
        }
        return Response(status_code=204, headers=headers)

    async def append(self, request: Request) -> Response:
        peer = peer_of(request)
        self._directory.check_writable()
        offset, complete = _number(request, "upload-offset"), _complete(request)
        if offset is None or complete is None:
            return problem(400, "bad-request", "Upload-Offset and Upload-Complete: ?0 or ?1 are needed")
        if request.headers.get("content-type") != "application/partial-upload":
            return problem(415, "bad-request", "Content-Type is application/partial-upload")
        upload = await self._uploads.find(request.path_params["upload"], gateway=peer.gateway)
        return await self._append(request, peer, upload, offset=offset, complete=complete)

    async def _append(self, request: Request, peer: Peer, upload: Upload, *, offset: int, complete: bool) -> Response:
        after, whole = await self._uploads.append(
            upload.id, gateway=peer.gateway, offset=offset, body=_steady(request), complete=complete
        )
        if not whole:
            headers = {"upload-offset": str(after.offset), "upload-complete": "?0"}
            return Response(status_code=201 if request.method == "POST" else 204, headers=headers)
        self._metrics.blob_bytes.inc(upload.length)
        log.info("blob.kept", gateway=peer.gateway, sha256=upload.sha256, bytes=upload.length)
        async with self._db.read() as connection:
            touched = await media.blob_arrived(connection, gateway=peer.gateway, sha256=upload.sha256)
        self._changes.publish(incidents=touched.incidents, clips=touched.clips)
        headers = {"upload-offset": str(upload.length), "upload-complete": "?1"}
        return Response(status_code=201, headers=headers)

    async def delete(self, request: Request) -> Response:
        await self._uploads.delete(request.path_params["upload"], gateway=peer_of(request).gateway)
        return Response(status_code=204)


def _digest(header: str) -> str | None:
    """The SHA-256 in a Repr-Digest header as hex."""
    match = _DIGEST.search(header)
    if match is None:
        return None
    try:
        return base64.b64decode(match[1], validate=True).hex()
    except binascii.Error:
        return None


def routes(
    *, directory: BlobDirectory, uploads: Uploads, db: Database, changes: Changes, metrics: Metrics, largest: int
) -> list[Route]:
    blobs = _Blobs(directory=directory, uploads=uploads, db=db, changes=changes, metrics=metrics, largest=largest)

    def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(request)
            except ClientDisconnect:
                return problem(400, "cut", "the connection broke; HEAD the upload to see how far it came")
            except (
                WrongOffset,
                WrongDigest,
                WrongLength,
                BadName,
                DiskFull,
                ReadOnly,
                TooMany,
                Superseded,
                NotFound,
            ) as error:
                log.info("blob.refused", path=request.url.path, reason=str(error))
                return _refusal(error)

        return endpoint

    return [
        Route("/v1/blobs/{sha256}", answering(blobs.head), methods=["HEAD"]),
        Route("/v1/blobs", answering(blobs.create), methods=["POST"]),
        Route("/v1/uploads/{upload}", answering(blobs.state), methods=["HEAD"]),
        Route("/v1/uploads/{upload}", answering(blobs.append), methods=["PATCH"]),
        Route("/v1/uploads/{upload}", answering(blobs.delete), methods=["DELETE"]),
    ]
