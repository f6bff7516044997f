"""What happened, line by line: the entries of an incident and what the devices said around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import entries as entry_store
from relay.store.schema import lane, record
from relay.web.reading import reasons
from relay.web.times import Times, spoken
from rules import wire
from rules.errors import WireError
from rules.incidents import Entry, Incident, fold

BEFORE, AFTER = 60 * 1_000_000, 600 * 1_000_000  # µs around the opening in which device facts belong to it
ROWS_BEFORE, ROWS_AFTER = 200, 600  # log rows looked through around the cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `weight` is alarm, act, end, told or fact; `offset` counts from the opening."""

    id: str
    at: int
    weight: str
    text: str
    note: str
    source: str
    offset: str


_FACTS: dict[str, str] = {
    "contact.opened": "{device} opened",
    "contact.closed": "{device} closed",
    "motion.started": "{device} sees movement",
    "motion.ended": "{device} no longer sees movement",
    "tamper.opened": "{device}: its case or wiring was touched",
    "tamper.closed": "{device}: its case and wiring are whole again",
    "output.reported": "{device} reports it is {state}",
    "effect.commanded": "{device} told to be {value}",
    "effect.failed": "{device} could not be commanded: {reason}",
    "effect.expired": "A command to {device} was left undone: {reason}",
    "camera.lost": "No picture from camera {device}: {reason}",
    "camera.restored": "Camera {device} is back",
    "device.lost": "{device} went silent: {reason}",
    "device.restored": "{device} is heard again",
    "command.decided": "A command was {value}: {reason}",
    "store.failed": "The gateway could not write its log: {reason}",
    "store.restored": "The gateway writes its log again",
    "store.suspect": "The gateway's log may be damaged: {reason}",
    "store.recovered": "The gateway's log was damaged and rescued, {rows} rows of it: {reason}",
    "store.refilled": "{rows} records came back to the gateway from {outlet}; {missing} are still missing",
    "store.sound": "The gateway's log was checked and is sound",
    "ballast.released": "The gateway's disk was full: its reserve was given up",
    "ballast.restored": "There is room on the gateway's disk again, and its reserve is set aside",
    "log.pruned": "Records left the gateway's log that not every outlet had: {reason}",
    "epoch.began": "The gateway's log goes on under a new name: {reason}",
    "bundle.written": "A bundle was written, to be carried",
    "bundle.received": "The receipt of a bundle came back",
    "clock.stepped": "The gateway's clock was set",
    "clock.doubted": "The gateway's clock showed a time that cannot be",
    "clock.trusted": "The gateway's clock is possible again",
    "clock.drifted": "The clocks of the gateway and of a relay are apart",
    "clock.agreed": "The clocks of the gateway and of a relay agree again",
    "device.flooding": "{device} sends far more messages than it should",
    "device.calm": "{device} sends no more than it should again",
    "storage.low": "The gateway's disk has room for only a few more days of video",
    "storage.full": "The gateway's disk is full: new clips are refused, stills go on",
    "storage.ample": "The gateway's disk has room for video again",
    "media.held": "{by} put the footage of an incident on hold: {reason}",
    "media.released": "{by} released the footage of an incident",
    "media.refused": "A {what} could not be kept: {reason}",
    "media.lost": "The media worker was lost: {reason}",
    "media.restored": "The media worker is back",
    "boot": "The gateway started",
    "outlet.silent": "{outlet} has taken nothing from the gateway for a week",
    "outlet.retired": "Outlet {outlet} was taken out of service by {who}",
    "budget.low": "The data budget of {outlet} will not last the month",
    "budget.spent": "The data budget of {outlet} is spent: recordings wait",
    "budget.ample": "The data budget of {outlet} lasts again",
}
KINDS = tuple(_FACTS)


def _words(value: Any) -> str:
    return str(value if value is not None else "")[:500]


def fact_text(kind: str, body: dict[str, Any]) -> str:
    """A device fact as a sentence."""
    return _FACTS[kind].format(
        device=spoken(_words(body.get("device"))) or "A device",
        state="on" if body.get("on") else "off",
        value=_words(body.get("value") or body.get("state")),
        reason=_words(body.get("reason")).replace("_", " "),
        outlet=spoken(_words(body.get("outlet"))) or "an outlet",
        who=_words(body.get("who")) or "somebody",
        by=_words(body.get("by")) or "Somebody",
        what=_words(body.get("what")) or "clip",
    )


def entry_text(entry: Entry, times: Times) -> tuple[str, str]:
    """Sentence and weight of an entry."""
    body, who = entry.body, entry.by
    match entry.kind:
        case "incident.opened":
            how = "Split off from another incident" if body.get("split_from") else "Incident opened"
            return f"{how}: {_words(body.get('title'))}", "alarm"
        case "incident.evidence":
            return _evidence_text(body), "fact"
        case "incident.notified":
            return _notified_text(body), "told"
        case "incident.acknowledged":
            until = body.get("until")
            return f"{who} acknowledged{f' until {times.short(until)}' if until else ''}", "act"
        case "incident.started":
            return f"{who} started work", "act"
        case "incident.noted":
            return f"{who} noted", "act"
        case "incident.assigned":
            to = _words(body.get("to"))
            return (f"{who} took it" if to in ("", who) else f"{who} assigned it to {to}"), "act"
        case "incident.unassigned":
            return f"{who} gave it back", "act"
        case "incident.resolved" | "incident.closed":
            word = entry.kind.removeprefix("incident.")
            reason = reasons.spoken(body.get("reason"))
            return f"{who} {word} it{f': {reason[:1].lower()}{reason[1:]}' if reason else ''}", "end"
        case "incident.reopened":
            return f"{who} reopened", "alarm"
        case "incident.cancelled":
            return f"Cancelled: {who} disarmed", "act"
        case "incident.merged":
            return f"{who} merged it into another incident", "end"
        case "incident.joined":
            return f"{who} merged another incident into this one: {_words(body.get('title'))}", "act"
        case "incident.split":
            return f"{who} made a part of it an incident of its own: {_words(body.get('title'))}", "act"
    return entry.kind, "fact"


def _evidence_text(body: dict[str, Any]) -> str:
    evidence = body.get("evidence", {})
    camera = spoken(_words(evidence.get("camera")))
    moved = ", moved here" if body.get("moved_from") else ""
    if "clip" in evidence:
        return f"Recording from camera {camera}{moved}"
    if "still" in evidence:
        return f"Still from camera {camera}{moved}"
    return f"{_words(evidence.get('text')) or 'Evidence added'}{moved}"


def _notified_text(body: dict[str, Any]) -> str:
    where = f"{_words(body.get('recipient'))} by {_words(body.get('channel'))}"
    if body.get("state") == "failed":
        return f"Could not tell {where} (attempt {_words(body.get('attempt', 1))})"
    return f"Told {where}{', possibly a repeat' if body.get('possibly_repeated') else ''}"


def lines(entries: Iterable[Entry], facts: Iterable[wire.Record], times: Times, relay: str) -> list[Line]:
    """All of it in the order of time shown. Entries keep their own order among themselves: wall clocks may disagree."""
    ordered = list(entries)
    opened = next((entry.wall for entry in ordered if entry.kind == "incident.opened"), None)
    found: list[tuple[int, int, Line]] = []
    latest = 0
    for rank, entry in enumerate(ordered):
        latest = max(latest, entry.wall)
        text, weight = entry_text(entry, times)
        elsewhere = weight in ("act", "end") and entry.origin != relay
        source = f"at {entry.origin}" if elsewhere else ""
        note = _words(entry.body.get("note"))[:4000]
        found.append((latest, rank, _line(entry.id, entry.wall, weight, text, note, source, opened, times)))
    for fact in facts:
        text = fact_text(fact.kind, fact.body)
        found.append((fact.wall, -1, _line(fact.id, fact.wall, "fact", text, "", "", opened, times)))
    found.sort(key=lambda triple: triple[:2])
    return [line for _, _, line in found]


def clock_unsure(entries: Iterable[Entry], facts: Iterable[wire.Record]) -> bool:
    """Whether any of the times shown come from a clock that nothing keeps right."""
    return any(entry.clock != "synced" for entry in entries) or any(fact.clock != "synced" for fact in facts)


def _line(id: str, at: int, weight: str, text: str, note: str, source: str, opened: int | None, times: Times) -> Line:
    offset = times.after(at, opened) if opened is not None else ""
    return Line(id=id, at=at, weight=weight, text=text, note=note, source=source, offset=offset)


async def folded(connection: AsyncConnection, gateway: str, incident: str, now: int) -> Incident:
    """An incident with its entries in their one order."""
    return fold(await entry_store.of_incident(connection, gateway=gateway, incident=incident), now=now)


_PLACE = (
    select(record.c.lane, record.c.seq)
    .join(lane, lane.c.id == record.c.lane)
    .where(record.c.fact == bindparam("fact"), lane.c.gateway == bindparam("gateway"), lane.c.lane == "P1")
    .limit(1)
)
_NEAR = (
    select(record.c.data)
    .where(
        record.c.lane == bindparam("lane"),
        record.c.seq.between(bindparam("low"), bindparam("high")),
        record.c.wall.between(bindparam("since"), bindparam("until")),
        record.c.kind.in_(KINDS),
        record.c.state == "applied",
    )
    .order_by(record.c.seq)
)


async def facts_near(connection: AsyncConnection, gateway: str, entries: Iterable[Entry]) -> list[wire.Record]:
    """What the gateway's devices said around the cause of an incident: found by the cause's place in the log, so that
    it costs the same in a log of years."""
    opening = next((entry for entry in entries if entry.kind == "incident.opened"), None)
    cause = (opening.cause or opening.body.get("trigger")) if opening else None
    if opening is None or not isinstance(cause, str):
        return []
    place = (await connection.execute(_PLACE, {"fact": cause, "gateway": gateway})).one_or_none()
    if place is None:
        return []
    bounds = {"low": place.seq - ROWS_BEFORE, "high": place.seq + ROWS_AFTER}
    span = {"since": opening.wall - BEFORE, "until": opening.wall + AFTER}
    found = []
    for data in await connection.scalars(_NEAR, {"lane": place.lane} | bounds | span):
        try:
            fact = wire.read(data)
        except WireError:
            continue  # it was readable when it came; a later version of the wire may be stricter
        if fact.body.get("incident", opening.incident) == opening.incident:  # not what is said of another one
            found.append(fact)
    return found
