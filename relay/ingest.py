"""Taking in what a gateway's log says, once, for ever.

Theory of operation: a batch names its place in a lane by (gateway, epoch, lane, first seq). What is above the
watermark is added with everything it means (incidents, clips, troubles, what there is to tell), and the watermark is
raised, in one transaction; then the answer names the watermark and the chain hash there. What is below the watermark
was had before: the same bytes are acknowledged again, other bytes are a contradiction that is kept and refused. A fact
whose id is known moves the watermark and nothing else. One record that cannot be read is put aside and acknowledged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.changes import Changes
from relay.clock import Clock
from relay.facts import Line, read_line
from relay.failpoints import reach
from relay.incidents import Incidents
from relay.peer import Peer
from relay.store import conditions, entries, gateways, holds, integrity, lanes, media, outside
from relay.store.database import Database
from relay.store.gateways import Gateway
from relay.store.lanes import Lane
from rules import ids, wire
from rules.errors import WireError

log = structlog.get_logger(__name__)

_MENTION_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Why a batch cannot be taken, and where the relay stands: the lane's `seq` and `chain` (hex), and `epoch`."""

    type: Literal["epoch-conflict", "chain-mismatch", "integrity"]
    detail: str
    epoch: str | None
    seq: int
    chain: str


@dataclass(slots=True)
class _Taken:
    """What a transaction did, for whoever is told after it."""

    incidents: set[str] = field(default_factory=set)
    clips: set[str] = field(default_factory=set)
    states: bool = False
    tells: bool = False
    own: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Unlogged:
    """What came past a gateway's own log since our log last mentioned it."""

    mention_at: float = 0.0
    records: int = 0
    entries: int = 0


class Ingest:
    """`take` a batch; `unlogged` what a gateway says while its own log fails."""

    def __init__(
        self, *, relay: str, own_policy: str | None, db: Database, incidents: Incidents, changes: Changes, clock: Clock
    ) -> None:
        self._relay = relay
        self._own_policy = own_policy
        self._db = db
        self._incidents = incidents
        self._changes = changes
        self._clock = clock
        self._unlogged: dict[str, _Unlogged] = {}  # one small count for each gateway there is

    async def watermarks(self, peer: Peer, *, epoch: str | None) -> wire.Watermarks:
        """What is held of an epoch; without one, of the current one ("" before there is any)."""
        async with self._db.read() as connection:
            found = await gateways.find(connection, peer.gateway)
            if found is not None:
                gateways.admit(found, peer)
            wanted = epoch or (found.epoch if found else None)
            if wanted is None:
                return wire.Watermarks(epoch="", lanes={})
            return await lanes.watermarks(connection, gateway=peer.gateway, epoch=wanted)

    async def take(self, peer: Peer, batch: wire.Batch) -> wire.Ack | Conflict:
        """Take a batch of this peer's own gateway (the caller has compared the names). Raises gateways.Locked,
        gateways.OtherTenant; WireError when gap lines do not fit their place."""
        header = batch.header
        lines = _numbered(batch)
        done = _Taken()
        async with self._db.write() as connection:
            now = self._clock.wall()
            gateway, found = await lanes.place(connection, peer, epoch=header.epoch, lane=header.lane, now=now)
            lane = await self._lane(connection, gateway, found, header, now=now)
            if isinstance(lane, Conflict):
                return lane
            answer = await self._place(connection, gateway, lane, header, lines, done, now=now)
            reach("ingest.before_commit")
        reach("ingest.after_commit_before_reply")
        self._tell(gateway, done)
        return answer

    async def unlogged(self, peer: Peer, items: list[str]) -> None:
        """What a gateway decided while its own log cannot be written: told and shown at once. The same records come
        again in their lanes, with the same ids, and are then known."""
        lines = [read_line(0, item.encode(), lane="P0") for item in items[: wire.MAX_BATCH_RECORDS]]
        spoken = [line for line in lines if line.entry is not None]
        happened = [line.event for item in items for line in [read_line(0, item.encode(), lane="P1")] if line.event]
        done = _Taken()
        async with self._db.write() as connection:
            now = self._clock.wall()
            gateway = await gateways.locked(connection, peer, now=now)
            known = await entries.known(connection, gateway.id, [line.entry.id for line in spoken if line.entry])
            owned = await entries.owners(connection, {line.entry.incident for line in spoken if line.entry})
            news = {
                line.entry.id: (line.entry, line.data)
                for line in spoken
                if line.entry and line.entry.id not in known and not _strange(line, gateway.id, owned, {})
            }
            if news:
                pairs = list(news.values())
                await entries.add(connection, gateway, pairs, arrived_from=gateway.id, now=now, owned=owned)
                done.incidents.update(entry.incident for entry, _ in pairs)
                done.tells = any(entry.kind in entries.TELLS for entry, _ in pairs)
            done.states = await conditions.apply(connection, gateway.id, happened)
        self._mention_unlogged(gateway.id, records=len(items), entries=len(news))
        self._tell(gateway, done)

    def _mention_unlogged(self, gateway: str, *, records: int, entries: int) -> None:
        """In our own log, once a minute and gateway: a disk may fail for days, and all that happens comes this way."""
        waiting = self._unlogged.setdefault(gateway, _Unlogged())
        waiting.records += records
        waiting.entries += entries
        now = time.monotonic()
        if now >= waiting.mention_at:
            log.warning("ingest.unlogged", gateway=gateway, records=waiting.records, entries=waiting.entries)
            self._unlogged[gateway] = _Unlogged(mention_at=now + _MENTION_EVERY)

    def _tell(self, gateway: Gateway, done: _Taken) -> None:
        self._changes.publish(incidents=done.incidents, clips=done.clips, gateways=[gateway.id] if done.states else [])
        for incident in done.own:
            self._incidents.told(gateway.id, incident)
        if done.tells:
            self._incidents.on_notice()

    async def _lane(
        self, connection: AsyncConnection, gateway: Gateway, found: Lane | None, header: wire.Header, *, now: int
    ) -> Lane | Conflict:
        """The lane the batch belongs to; a new epoch must name the one it supersedes."""
        if header.epoch != gateway.epoch:
            new = not await gateways.had_epoch(connection, gateway.id, header.epoch)
            if not new or (gateway.epoch is not None and header.supersedes != gateway.epoch):
                log.warning("ingest.epoch_conflict", gateway=gateway.id, epoch=header.epoch, current=gateway.epoch)
                return Conflict(
                    type="epoch-conflict",
                    detail="this epoch was superseded" if not new else "a new epoch must name the one it supersedes",
                    epoch=gateway.epoch,
                    seq=0,
                    chain=wire.chain_start(gateway.id, header.epoch, header.lane).hex(),
                )
            await gateways.begin_epoch(
                connection, gateway.id, epoch=header.epoch, supersedes=header.supersedes, now=now
            )
        return found or await lanes.create(connection, gateway=gateway.id, epoch=header.epoch, lane=header.lane)

    async def _place(
        self,
        connection: AsyncConnection,
        gateway: Gateway,
        lane: Lane,
        header: wire.Header,
        lines: list[Line],
        done: _Taken,
        *,
        now: int,
    ) -> wire.Ack | Conflict:
        """Compare with what is here, add what is new, raise the watermark."""

        def conflict(kind: Literal["chain-mismatch", "integrity"], detail: str) -> Conflict:
            return Conflict(type=kind, detail=detail, epoch=header.epoch, seq=lane.seq, chain=lane.chain.hex())

        where = f"{header.epoch}/{header.lane}"
        if header.first > lane.seq + 1:
            return conflict("chain-mismatch", f"records {lane.seq + 1} to {header.first - 1} have not arrived")
        if header.first == lane.seq + 1 and bytes.fromhex(header.prev) != lane.chain:
            await self._contradiction(
                connection,
                gateway,
                done,
                what="chain",
                subject=f"{where}/{lane.seq}",
                offered=header.prev.encode(),
                detail=f"the gateway's history of {header.lane} does not continue the one held here",
                now=now,
            )
            return conflict("chain-mismatch", f"the chain hash at {lane.seq} is another one here")
        quarantined: list[wire.Quarantined] = []
        old = [line for line in lines if line.seq <= lane.seq and line.gap is None]
        if old:
            had = await lanes.had(connection, lane.id, since=old[0].seq, until=old[-1].seq)
            for line in old:
                if line.seq not in had:
                    continue  # its bytes are no longer kept here, or were a gap: nothing to compare
                data, state, reason = had[line.seq]
                if data != line.data:
                    await self._contradiction(
                        connection,
                        gateway,
                        done,
                        what="transport",
                        subject=f"{where}/{line.seq}",
                        offered=line.data,
                        detail=f"record {line.seq} of {header.lane} came again with other bytes",
                        now=now,
                    )
                    return conflict("integrity", f"record {line.seq} was acknowledged with other bytes")
                if state == "quarantined":
                    quarantined.append(wire.Quarantined(seq=line.seq, reason=reason))
        new = [line for line in lines if line.last > lane.seq]
        seq, chain = lane.seq, lane.chain
        if new:
            quarantined += await self._add(connection, gateway, lane, header.lane, new, done, now=now)
            for line in new:
                chain = bytes.fromhex(line.gap.chain) if line.gap else wire.chain_next(chain, line.data)
            seq = new[-1].last
            await lanes.raise_watermark(connection, lane.id, seq=seq, chain=chain)
        return wire.Ack(lane=header.lane, epoch=header.epoch, seq=seq, chain=chain.hex(), quarantined=quarantined)

    async def _add(
        self,
        connection: AsyncConnection,
        gateway: Gateway,
        lane: Lane,
        name: str,
        new: list[Line],
        done: _Taken,
        *,
        now: int,
    ) -> list[wire.Quarantined]:
        """Decide what each new line is, keep it, and apply what is news."""
        named = [line.fact for line in new if line.fact is not None]
        # An entry's fact is known by the entry, wherever it came from; any other by its record.
        recorded = [line.fact for line in new if line.fact is not None and line.entry is None]
        known = await lanes.facts(connection, gateway.id, recorded)
        incident_owners: dict[str, entries.Owner] = {}
        clip_owners: dict[str, str] = {}
        if name == "P0":
            known = known | await entries.known(connection, gateway.id, named)
            incident_owners = await entries.owners(connection, {line.entry.incident for line in new if line.entry})
        elif name == "P2":
            clip_owners = await media.owners(connection, media.clips_named(line.event for line in new if line.event))
        for line in new:
            if line.state != "applied" and line.state != "unknown":
                continue
            assert line.fact is not None
            before = known.get(line.fact)
            if before is not None:
                line.state = "known" if before == line.data else "conflict"
                if line.state == "conflict":
                    await self._contradiction(
                        connection,
                        gateway,
                        done,
                        what="fact",
                        subject=line.fact,
                        offered=line.data,
                        detail=f"{line.kind} came again with other bytes",
                        now=now,
                    )
                continue
            strange = _strange(line, gateway.id, incident_owners, clip_owners)
            if strange:
                line.state, line.reason = "quarantined", strange
                continue
            known[line.fact] = line.data
        await lanes.add(connection, [_row(lane.id, line, now=now) for line in new if line.gap is None])
        await lanes.add_gaps(connection, [_gap_row(lane, line, now=now) for line in new if line.gap])
        applied = [line for line in new if line.state == "applied"]
        if name == "P0" and applied:
            pairs = [(line.entry, line.data) for line in applied if line.entry is not None]
            await entries.add(connection, gateway, pairs, arrived_from=gateway.id, now=now, owned=incident_owners)
            done.incidents.update(entry.incident for entry, _ in pairs)
            done.tells = any(entry.kind in entries.TELLS for entry, _ in pairs)
        elif name == "P2" and applied:
            touched = await media.apply(connection, gateway.id, [line.event for line in applied if line.event])
            done.clips |= touched.clips
            done.incidents |= touched.incidents
        elif name == "P1" and applied:
            happened = [line.event for line in applied if line.event]
            done.states = await conditions.apply(connection, gateway.id, happened)
            done.incidents |= await outside.apply(connection, gateway.id, happened)
            done.incidents |= await holds.apply(connection, gateway.id, happened)
        quarantined = [line for line in new if line.state == "quarantined"]
        for line in quarantined:
            log.warning("ingest.quarantined", gateway=gateway.id, lane=name, seq=line.seq, reason=line.reason)
        return [wire.Quarantined(seq=line.seq, reason=line.reason) for line in quarantined]

    async def _contradiction(
        self,
        connection: AsyncConnection,
        gateway: Gateway,
        done: _Taken,
        *,
        what: str,
        subject: str,
        offered: bytes,
        detail: str,
        now: int,
    ) -> None:
        """Keep it, and open one incident per gateway and epoch: many contradictions have one cause."""
        new = await integrity.note(
            connection, gateway=gateway.id, what=what, subject=subject, detail=detail, offered=offered, now=now
        )
        incident = ids.derived("integrity", self._relay, gateway.id, gateway.epoch or "")
        if (
            new
            and incident not in done.own
            and await self._incidents.open_own(
                connection,
                gateway=gateway,
                incident=incident,
                title=f"Records of {gateway.id} contradict what was received before",
                severity="high",
                policy=self._own_policy,
            )
        ):
            done.own.append(incident)


def _numbered(batch: wire.Batch) -> list[Line]:
    """The lines of a batch with their seqs, read. A gap must begin where it stands."""
    seq = batch.header.first
    lines: list[Line] = []
    for line in batch.lines:
        if isinstance(line, wire.GapRange):
            if line.since != seq or line.to < line.since or line.to >= 2**53:
                raise WireError(f"batch: a gap at {seq} says it reaches from {line.since} to {line.to}")
            lines.append(Line(seq=seq, last=line.to, data=b"", gap=line))
        else:
            lines.append(read_line(seq, line, lane=batch.header.lane))
        seq = lines[-1].last + 1
    return lines


def _strange(
    line: Line, gateway: str, incident_owners: dict[str, entries.Owner], clip_owners: dict[str, str]
) -> str | None:
    """Why a readable record must not be applied: it speaks of something that is another gateway's."""
    if line.entry is not None:
        owner = incident_owners.get(line.entry.incident)
        if owner is not None and owner.gateway != gateway:
            return "the incident belongs to another gateway"
    if line.event is not None:
        for clip in media.clips_named([line.event]):
            if clip_owners.get(clip, gateway) != gateway:
                return "the clip belongs to another gateway"
    return None


def _row(lane: int, line: Line, *, now: int) -> tuple[Any, ...]:
    """As `lanes.RECORD` says."""
    return (lane, line.seq, line.fact, line.kind, line.wall, now, line.state, line.reason or None, line.data)


def _gap_row(lane: Lane, line: Line, *, now: int) -> tuple[Any, ...]:
    """As `lanes.GAP` says."""
    gap = line.gap
    assert gap is not None
    return (lane.id, max(gap.since, lane.seq + 1), gap.to, min(gap.count, 2**53), gap.reason[:500], now)
