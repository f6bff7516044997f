"""`/events`: says that something changed, as it happens. Pages then fetch themselves, so nothing has to be replayed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from relay.access import sessions
from relay.access.errors import TooMany
from relay.access.sessions import Session
from relay.changes import Change
from relay.store import sight
from relay.web.gate import PageRoute
from relay.web.visit import Visit

LOOK = 5.0  # s between looks at whether the session is still in force
BEAT = 15 * 1_000_000  # µs between signs of life
MOST = 32  # streams of one person at once


def event(name: str, at: int, data: dict[str, object]) -> bytes:
    """One server-sent event; its id is the moment (wall µs)."""
    return f"event: {name}\nid: {at}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _about(change: Change) -> dict[str, object]:
    return {
        "incidents": sorted(change.incidents),
        "clips": sorted(change.clips),
        "gateways": sorted(change.gateways),
    }


async def _in_force(visit: Visit, session: Session, last_touch: int) -> int | None:
    """Whether the stream may go on: when the session was last marked as used (wall µs), None when it has ended."""
    now = visit.now
    db = visit.console.context.db
    token = visit.request.cookies[visit.console.cookie(visit.request.url.scheme)]
    async with db.read() as connection:
        if await sessions.find(connection, token, now) is None:
            return None
    if now - last_touch < sessions.TOUCH:
        return last_touch
    async with db.write() as connection:
        await sessions.touch(connection, session, now)
    return now


async def _stream(visit: Visit, session: Session) -> AsyncIterator[bytes]:
    console = visit.console
    person = session.person.id
    console.streams[person] = console.streams.get(person, 0) + 1
    try:
        with console.context.changes.subscribe() as subscription:
            # A page connects a moment after it was rendered, or after it was cut off: it looks again, always.
            said = looked = touched = visit.now
            yield b"retry: 1000\n" + event("resync", said, {})
            while (change := await subscription.next(LOOK)) is not None:
                now = visit.now
                if now - looked >= LOOK * 900_000:
                    looked = now
                    kept = await _in_force(visit, session, touched)
                    if kept is None:
                        yield event("signed-out", now, {})
                        return
                    touched = kept
                if console.context.config.on_site and (change.incidents or change.clips):
                    async with console.context.db.read() as connection:
                        change = await sight.without_secrets(connection, change)
                if change.resync:
                    said = now
                    yield event("resync", now, {})
                elif change:
                    said = now
                    yield event("change", now, _about(change))
                elif now - said >= BEAT:
                    said = now
                    yield event("beat", now, {})
            yield event("bye", visit.now, {})
    finally:
        console.streams[person] -= 1
        if not console.streams[person]:
            del console.streams[person]


async def stream(visit: Visit) -> Response:
    """The stream; ends when the session ends or the relay stops."""
    visit.authorise("events")
    session = visit.signed_in
    if visit.console.streams.get(session.person.id, 0) >= MOST:
        raise TooMany(30)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(visit, session), media_type="text/event-stream", headers=headers)


ROUTES = (PageRoute(path="/events", page=stream, action="feed.view", data=True),)
