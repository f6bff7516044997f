"""Keeping the footage of an incident from being deleted on its gateway, and giving it free again."""

from __future__ import annotations

from starlette.responses import Response

from relay.errors import Refused
from relay.web.gate import PageRoute
from relay.web.pages.incident import load
from relay.web.visit import Visit

PATIENCE = 30 * 86_400 * 1_000_000  # µs
"""A gateway that is cut off hears of a hold when it is back: nothing is deleted on it before."""
LONGEST_REASON = 500


async def hold(visit: Visit) -> Response:
    """Keep it, for a reason."""
    item = await load(visit)
    reason = " ".join(visit.form.get("reason", "").split())
    if not reason:
        raise Refused("Say why this footage is kept: whoever releases it will want to know.")
    if len(reason) > LONGEST_REASON:
        raise Refused(f"A reason may have {LONGEST_REASON} characters, this one has {len(reason)}.")
    await _ask(visit, item.gateway, "media.hold", {"incident": item.id, "reason": reason})
    return visit.go(f"/incidents/{item.id}", "held")


async def release(visit: Visit) -> Response:
    """It may follow the retention again."""
    item = await load(visit)
    await _ask(visit, item.gateway, "media.release", {"incident": item.id})
    return visit.go(f"/incidents/{item.id}", "released")


async def _ask(visit: Visit, gateway: str, name: str, args: dict[str, str]) -> None:
    await visit.console.context.hub.command(
        gateway=gateway,
        actor=visit.signed_in.person.display,
        name=name,
        args=args,
        expires=visit.now + PATIENCE,
    )


ROUTES = (
    PageRoute(path="/incidents/{id}/hold", page=hold, action="media.hold", method="POST"),
    PageRoute(path="/incidents/{id}/release", page=release, action="media.release", method="POST"),
)
