"""How the buildings are: gateways, what is stored of each, what troubles them, which sirens sound."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.schema import command, device_state, gateway, lane, trouble
from relay.web.reading import advice
from relay.web.times import spoken

SILENT = 90 * 1_000_000  # µs without a word
MOST_DAYS = 3650  # of video left: more is as good as any number
CARRIES = {"P0": "incidents", "P1": "states and audit", "P2": "stills and clips", "P4": "readings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is not as it should be: what, why, since when, and what to do."""

    gateway: str
    key: str
    title: str
    reason: str
    next_step: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """How a gateway sees one of its ways out."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneMark:
    """What is stored of a lane of the current epoch."""

    name: str
    carries: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """A gateway as people see it."""

    id: str
    site_name: str
    first_seen: int
    last_seen: int
    epoch: str | None
    software: str
    connected: bool
    silent: bool
    locked: bool
    lanes: tuple[LaneMark, ...]
    outlets: tuple[Outlet, ...]
    troubles: tuple[Trouble, ...]
    storage: str = ""
    """How long its media disk lasts, in a sentence; "" when it has not told."""

    @property
    def word(self) -> str:
        if self.locked:
            return "Locked out"
        return "Silent" if self.silent else "Connected" if self.connected else "Reporting"

    @property
    def sentence(self) -> str:
        if self.locked:
            return "It is locked out here."
        if self.silent:
            return "No word from it. It goes on by itself and reports later."
        if self.troubles:
            count = len(self.troubles)
            return "One thing needs a look." if count == 1 else f"{count} things need a look."
        return "Everything works."


def _trouble(row: Row[Any], site: str) -> Trouble:
    title, next_step = advice.of(row.kind, row.subject, site, row.reason)
    return Trouble(
        gateway=row.gateway, key=row.key, title=title, reason=row.reason, next_step=next_step, since=row.since
    )


def _outlets(text: str) -> tuple[Outlet, ...]:
    """The outlets of the last heartbeat. It was written by this relay, from checked messages."""
    found = []
    for name, state in sorted(json.loads(text).items()):
        behind = int(state.get("behind", 0))
        reach = "reachable" if state.get("reachable") else "unreachable"
        rest = "nothing waits" if behind == 0 else f"{behind:,} records wait"
        found.append(Outlet(name=name, sentence=f"{reach}, {rest}"))
    return tuple(found)


def _storage(text: str) -> str:
    """The media disk of the last heartbeat. It was written by this relay, from a checked message."""
    if not text:
        return ""
    told = json.loads(text)
    days, used, waiting = told.get("days"), int(told["used"]), int(told["waiting"])
    if days is None:
        room = f"{size(int(told['free']))} of room for video"
    elif days >= MOST_DAYS:
        room = "Room for more than ten years of video"
    else:
        room = "Room for less than a day of video" if days == 0 else f"Room for about {_days(days)} of video"
    rest = f", {size(waiting)} wait for a copy elsewhere" if waiting else ""
    return f"{room}; {size(used)} kept{rest}"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def size(count: int) -> str:
    """Bytes as people say them."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


async def gateways(connection: AsyncConnection, connected: frozenset[str], now: int) -> list[GatewayView]:
    """Every gateway, by site."""
    troubled: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(select(trouble).order_by(trouble.c.since)):
        troubled[row.gateway].append(row)
    marks: dict[tuple[str, str], list[LaneMark]] = defaultdict(list)
    for row in await connection.execute(select(lane).order_by(lane.c.lane)):
        mark = LaneMark(name=row.lane, carries=CARRIES.get(row.lane, ""), seq=row.seq)
        marks[(row.gateway, row.epoch)].append(mark)
    return [
        GatewayView(
            id=row.id,
            site_name=spoken(row.site),
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            epoch=row.epoch,
            software=row.software,
            connected=row.id in connected,
            silent=row.lost_incident is not None or (row.id not in connected and now - row.last_seen > SILENT),
            locked=row.status == "locked",
            lanes=tuple(marks[(row.id, row.epoch)]),
            outlets=_outlets(row.outlets),
            storage=_storage(row.storage),
            troubles=tuple(_trouble(one, spoken(row.site)) for one in troubled[row.id]),
        )
        for row in await connection.execute(select(gateway).order_by(gateway.c.site, gateway.c.id))
    ]


def last_word(found: Sequence[GatewayView]) -> GatewayView | None:
    """The gateway that spoke last."""
    return max(found, key=lambda one: one.last_seen, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Siren:
    """An output that is on."""

    device: str
    name: str


async def sounding(connection: AsyncConnection, of: str) -> list[Siren]:
    """The outputs of a gateway that report being on."""
    query = select(device_state.c.device).where(
        device_state.c.gateway == of, device_state.c.aspect == "output", device_state.c.value == "on"
    )
    return [Siren(device=device, name=spoken(device)) for device in await connection.scalars(query.order_by("device"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandView:
    """What somebody asked a gateway to do, and what became of it."""

    id: str
    at: int
    sentence: str


_ASKED = {
    "silence": "Silencing {device}",
    "media.hold": "Keeping the footage",
    "media.release": "Releasing the footage",
}


async def commands(
    connection: AsyncConnection, of: str, since: int, now: int, *, incident: str = ""
) -> list[CommandView]:
    """What was asked of a gateway since a moment, newest first: silencing, and the keeping of this incident's
    footage."""
    query = (
        select(command)
        .where(command.c.gateway == of, command.c.name.in_(_ASKED), command.c.created >= since)
        .order_by(command.c.created.desc())
        .limit(50)
    )
    found: list[CommandView] = []
    for row in await connection.execute(query):
        args = json.loads(row.args)
        if len(found) == 5 or args.get("incident", incident) != incident:
            continue
        what = _ASKED[row.name].format(device=spoken(str(args.get("device", ""))))
        state = "expired" if row.state in ("queued", "sent") and row.expires < now else row.state
        words = {
            "queued": "is on its way to the gateway",
            "sent": "was given to the gateway",
            "done": "was done",
            "refused": f"was refused: {row.reason}",
            "failed": f"failed: {row.reason}",
            "expired": "came too late: the gateway was not reached in time",
        }[state]
        sentence = f"{what}, asked by {row.actor}, {words}."
        found.append(CommandView(id=row.id, at=row.decided or row.created, sentence=sentence))
    return found
