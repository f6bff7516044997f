"""`GET /v1/lanes` and `POST /v1/lanes/{lane}`: the watermarks, and batches of records."""

from __future__ import annotations

import asyncio
import re

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from relay.api.peers import peer_of
from relay.api.problem import problem
from relay.ingest import Conflict, Ingest
from relay.metrics import Metrics
from relay.presence import Presence
from relay.store.database import FAILURES
from rules import wire
from rules.errors import WireError

log = structlog.get_logger(__name__)

BODY_SECONDS = 30
_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,100}")


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than a batch may be."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > wire.MAX_BATCH_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > wire.MAX_BATCH_BYTES:
            return None
        parts.append(chunk)
    return b"".join(parts)


def routes(*, ingest: Ingest, presence: Presence, metrics: Metrics) -> list[Route]:
    async def lanes(request: Request) -> Response:
        peer = peer_of(request)
        epoch = request.query_params.get("epoch")
        if epoch is not None and not _EPOCH.fullmatch(epoch):
            return problem(400, "bad-request", "epoch is not an epoch's name")
        presence.heard(peer.gateway)
        found = await ingest.watermarks(peer, epoch=epoch)
        return Response(found.text(), media_type="application/json")

    async def take(request: Request) -> Response:
        peer = peer_of(request)
        lane = request.path_params["lane"]
        if lane not in wire.LANES:
            return problem(404, "not-found", f"there is no lane {lane[:20]}; there is {', '.join(wire.LANES)}")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return problem(408, "too-slow", f"the batch did not arrive within {BODY_SECONDS} s")
        except ClientDisconnect:
            return problem(400, "cut", "the connection broke before the batch was whole")
        if body is None:
            return problem(
                413, "too-large", f"a batch may have {wire.MAX_BATCH_BYTES} bytes; send fewer records at once"
            )
        try:
            batch = wire.read_batch(body)
            header = batch.header
            if header.gateway != peer.gateway:
                return problem(403, "not-yours", "a gateway may only speak for itself")
            if header.lane != lane:
                return problem(400, "bad-request", f"the batch is of lane {header.lane}, it was posted to {lane}")
            if not _EPOCH.fullmatch(header.epoch):
                return problem(400, "bad-request", "the epoch's name has characters it may not have")
            presence.heard(peer.gateway)
            with metrics.batch_seconds.time():
                answer = await ingest.take(peer, batch)
        except WireError as error:
            return problem(400, "bad-request", str(error))
        except FAILURES as error:  # nothing was acknowledged, the gateway keeps its records
            log.error("ingest.store_failed", reason=str(getattr(error, "orig", error)))
            return problem(503, "store-failed", "the relay cannot store at the moment", headers={"retry-after": "5"})
        if isinstance(answer, Conflict):
            log.warning("ingest.conflict", gateway=peer.gateway, lane=lane, type=answer.type, detail=answer.detail)
            facts = {"epoch": answer.epoch, "seq": answer.seq, "chain": answer.chain}
            return problem(409, answer.type, answer.detail, facts=facts)
        metrics.records.labels(lane).inc(len(batch.lines))
        metrics.quarantined.labels(lane).inc(len(answer.quarantined))
        return Response(answer.text(), media_type="application/json")

    return [
        Route("/v1/lanes", lanes, methods=["GET"]),
        Route("/v1/lanes/{lane}", take, methods=["POST"]),
    ]
