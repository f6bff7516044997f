"""For monitors, on the people's listener: `/healthz` says ok to anyone, `/readyz` and `/metrics` tell more only to this
machine or to whoever shows the token."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from relay.changes import Changes
from relay.config import is_loopback
from relay.errors import StoreError
from relay.hub import Hub
from relay.metrics import Metrics
from relay.store.database import Database

# A proxy on this machine makes everybody look local, and says so in one of these.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def routes(
    *, db: Database, hub: Hub, changes: Changes, metrics: Metrics, token: bytes | None, media: Path | None, floor: int
) -> list[Route]:
    """`media` is the folder whose free space counts for readiness; None when nothing is kept."""

    def trusted(request: Request) -> bool:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if token is not None and scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token):
            return True
        local = request.client is not None and is_loopback(request.client.host)
        return local and not any(name in request.headers for name in _FORWARDED)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        failing: dict[str, str] = {}
        try:
            async with db.read() as connection:
                await connection.execute(select(text("1")))
        except (SQLAlchemyError, StoreError) as error:
            failing["database"] = str(getattr(error, "orig", error))
        if media is not None:
            statistics = os.statvfs(media)
            free = statistics.f_bavail * statistics.f_frsize
            if free < floor:
                failing["media"] = f"{free} bytes are free, the floor is {floor}"
        if not trusted(request):
            return PlainTextResponse("not ready\n" if failing else "ready\n", status_code=503 if failing else 200)
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    async def exposition(request: Request) -> Response:
        if not trusted(request):
            return PlainTextResponse(
                "metrics need the token from listeners.people.metrics_token\n",
                status_code=401,
                headers={"www-authenticate": "Bearer"},
            )
        metrics.gateways.set(len(hub.gateways))
        metrics.watchers.set(changes.watchers)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", exposition, methods=["GET"]),
    ]
