"""`GET /v1/lanes/{lane}/records`: a gateway whose store was damaged asks for its own records again."""

from __future__ import annotations

import re

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.api.peers import peer_of
from relay.api.problem import problem
from relay.store import gateways, lanes
from relay.store.database import Database
from relay.store.schema import record
from rules import wire

MOST_BYTES = 512_000
_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,100}")


def routes(*, db: Database) -> list[Route]:
    """Who asks is told by the connection, and nobody else's records can be named."""

    async def records(request: Request) -> Response:
        peer = peer_of(request)
        lane, query = request.path_params["lane"], request.query_params
        epoch, after, limit = query.get("epoch", ""), query.get("after", "0"), query.get("limit", "500")
        if lane not in wire.LANES:
            return problem(404, "not-found", f"there is no lane {lane[:20]}; there is {', '.join(wire.LANES)}")
        if not _EPOCH.fullmatch(epoch):
            return problem(400, "bad-request", "epoch is missing, or not an epoch's name")
        if not (_count(after) and _count(limit)) or not 1 <= int(limit) <= wire.MAX_BATCH_RECORDS:
            return problem(400, "bad-request", f"after is a seq, limit is 1 to {wire.MAX_BATCH_RECORDS}")
        async with db.read() as connection:
            found = await gateways.find(connection, peer.gateway)
            if found is not None:
                gateways.admit(found, peer)
            place = await lanes.find(connection, gateway=peer.gateway, epoch=epoch, lane=lane)
            rows: list[tuple[int, bytes]] = []
            if place is not None:
                size = 0
                asked = (
                    select(record.c.seq, record.c.data)
                    .where(record.c.lane == place.id, record.c.seq > int(after))
                    .order_by(record.c.seq)
                    .limit(int(limit))
                )
                for row in await connection.execute(asked):
                    size += len(row.data)
                    if rows and size > MOST_BYTES:
                        break
                    rows.append((row.seq, bytes(row.data)))
        header = wire.KeptHeader(
            gateway=peer.gateway, epoch=epoch, lane=lane, after=int(after), until=place.seq if place is not None else 0
        )
        return Response(wire.write_kept(header, rows), media_type="application/x-ndjson")

    return [Route("/v1/lanes/{lane}/records", records, methods=["GET"])]


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
