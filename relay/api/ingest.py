"""`GET /v1/lanes` and `POST /v1/lanes/{lane}`: the watermarks, and batches of records, plain or in zstd."""

from __future__ import annotations

import asyncio
import re

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from relay.api import encoding
from relay.api.peers import peer_of
from relay.api.problem import problem
from relay.clock import Clock
from relay.ingest import Conflict, Ingest
from relay.metrics import Metrics
from relay.peer import Peer
from relay.presence import Presence
from relay.store.database import FAILURES
from relay.turns import Busy, Turns
from rules import wire
from rules.errors import WireError

log = structlog.get_logger(__name__)

BODY_SECONDS = 30
_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,100}")


_READS = {"accept-encoding": encoding.ACCEPTED}


def _announced(request: Request) -> int | None:
    """The bytes that come; None when they are more than a batch may have."""
    announced = request.headers.get("content-length", str(wire.MAX_BATCH_BYTES))
    return int(announced) if announced.isdigit() and int(announced) <= wire.MAX_BATCH_BYTES else None


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than a batch may be."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > wire.MAX_BATCH_BYTES:
            return None
        parts.append(chunk)
    return b"".join(parts)


def _too_large(detail: str) -> Response:
    return problem(413, "too-large", f"{detail}; send fewer records at once")


def routes(*, ingest: Ingest, presence: Presence, metrics: Metrics, clock: Clock, turns: Turns) -> list[Route]:
    async def lanes(request: Request) -> Response:
        peer = peer_of(request)
        epoch = request.query_params.get("epoch")
        if epoch is not None and not _EPOCH.fullmatch(epoch):
            return problem(400, "bad-request", "epoch is not an epoch's name")
        presence.heard(peer.gateway)
        found = await ingest.watermarks(peer, epoch=epoch)
        text = found.model_copy(update={"wall": clock.wall()}).text()
        return Response(text, media_type="application/json", headers=_READS)

    async def take(request: Request) -> Response:
        lane = request.path_params["lane"]
        if lane not in wire.LANES:
            return problem(404, "not-found", f"there is no lane {lane[:20]}; there is {', '.join(wire.LANES)}")
        packed = request.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", encoding.ACCEPTED):
            detail = f"a batch may be plain or {encoding.ACCEPTED}, not {packed[:20]}"
            return problem(415, "bad-encoding", detail, headers=_READS)
        most = f"a batch may have {wire.MAX_BATCH_BYTES} bytes"
        announced = _announced(request)
        if announced is None:
            return _too_large(most)
        try:
            async with turns.hold(lane, announced):
                try:
                    async with asyncio.timeout(BODY_SECONDS):
                        body = await _body(request)
                except TimeoutError:
                    return problem(408, "too-slow", f"the batch did not arrive within {BODY_SECONDS} s")
                except ClientDisconnect:
                    return problem(400, "cut", "the connection broke before the batch was whole")
                if body is None:
                    return _too_large(most)
                async with turns.turn(lane):
                    return await work(peer_of(request), lane, body, packed=packed != "identity")
        except Busy as busy:
            return problem(503, "busy", str(busy), headers={"retry-after": f"{busy.retry_after:.0f}"})

    async def work(peer: Peer, lane: str, body: bytes, *, packed: bool) -> Response:
        try:
            batch = wire.read_batch(encoding.inflate(body, most=wire.MAX_BATCH_BYTES) if packed else body)
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
        except encoding.TooLong as error:
            return _too_large(str(error))
        except encoding.Unreadable as error:
            return problem(400, "bad-encoding", str(error))
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
        said = answer.model_copy(update={"wall": clock.wall(), "retry_after": turns.credit(lane)})
        return Response(said.text(), media_type="application/json")

    return [
        Route("/v1/lanes", lanes, methods=["GET"]),
        Route("/v1/lanes/{lane}", take, methods=["POST"]),
    ]
