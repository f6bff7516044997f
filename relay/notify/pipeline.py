"""The notifier: turns notices into deliveries, asks the stages, sends, and records what became of it.

Each step is a row before it is an act. A delivery is marked `sending` before the request leaves, so that a crash in
between is seen at the next start and the repeat says that it may be one. What could not be sent waits in its row with
full-jitter backoff, so retries survive a restart.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.clock import Clock
from relay.config import Notify
from relay.errors import SendError
from relay.failpoints import reach
from relay.incidents import Incidents
from relay.metrics import Metrics
from relay.notify.message import Message, News
from relay.notify.stages import RANKS, View, judge, route
from relay.restored import Restored
from relay.store import deliveries
from relay.store.database import FAILURES, Database
from relay.store.deliveries import Delivery
from relay.store.schema import gateway as gateway_table
from rules import ids
from rules.incidents import Entry

log = structlog.get_logger(__name__)

LONGEST_REST = 5.0  # seconds between two looks at the rows, woken or not
LEASE = 60_000_000  # µs an attempt may take before another process thinks its sender is gone
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds: full jitter up to FIRST_WAIT·2ⁿ
AT_ONCE = 8
HEARTBEAT_FRESH = 60_000_000  # µs: an older heartbeat says nothing about what the gateway reaches


class Sender(Protocol):
    """A channel: `send` returns when the message was accepted, or raises SendError."""

    async def send(self, message: Message, *, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Sending:
    """One message on its way and the deliveries it stands for."""

    message: Message
    parts: tuple[Delivery, ...]


class Notifier:
    """`run` until cancelled; `wake` when there is something new."""

    def __init__(
        self,
        *,
        relay: str,
        name: str,
        keeps: bool,
        public_url: str | None,
        config: Notify,
        senders: Mapping[str, Sender],
        db: Database,
        incidents: Incidents,
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        alone: bool,
        on_site: bool = False,
        restored: Restored | None = None,
    ) -> None:
        """`senders` by the configured name; `alone`: no other process works on the same rows; `on_site`: this relay
        stands in the building."""
        self._relay = relay
        self._name = name
        self._keeps = keeps
        self._public_url = public_url
        self._config = config
        self._senders = senders
        self._db = db
        self._incidents = incidents
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._alone = alone
        self._on_site = on_site
        self._restored = restored
        self._news = asyncio.Event()
        self._more = False  # news wait that the last round had no room for
        self._limit = asyncio.Semaphore(AT_ONCE)

    def wake(self) -> None:
        self._news.set()

    async def run(self) -> None:
        first = True
        async with asyncio.TaskGroup() as sending:
            while True:
                rest = LONGEST_REST
                try:
                    rest = await self._round(sending, first=first)
                    first = False
                except FAILURES as error:
                    log.error("notify.store_failed", reason=str(getattr(error, "orig", error)))
                try:
                    async with asyncio.timeout(rest):
                        await self._news.wait()
                except TimeoutError:
                    pass
                self._news.clear()

    async def _round(self, sending: asyncio.TaskGroup, *, first: bool) -> float:
        """Route, judge, start sending; returns the seconds until the rows want to be looked at again."""
        for job in await self.prepare(first=first):
            sending.create_task(self._send(job), name=f"notify-{job.message.id}")
        if self._more:
            return 0.0  # the news of a night come at once, and are to go out together
        async with self._db.read() as connection:
            at = await deliveries.next_due(connection)
        return LONGEST_REST if at is None else min(LONGEST_REST, max(0.01, (at - self._clock.wall()) / 1_000_000))

    async def prepare(self, *, first: bool = False) -> list[_Sending]:
        """Everything that is decided before a message leaves, in one transaction."""
        async with self._db.read() as connection:
            idle = not first and await deliveries.nothing_to_do(connection, now=self._clock.wall())
        if idle:
            self._more = False
            return []
        jobs: list[_Sending] = []
        async with self._db.write() as connection:
            now = self._clock.wall()
            repeated = await deliveries.take_over(connection, now=now, everything=first and self._alone)
            if repeated:
                log.warning("notify.taken_over", deliveries=repeated)
            await self._route(connection, now=now)
            ready: dict[tuple[str, str], list[tuple[Delivery, News]]] = defaultdict(list)
            for delivery in await deliveries.due(connection, now=now):
                news = await self._judge(connection, delivery, now=now)
                if news is not None:
                    together = f"digest {delivery.digest}" if delivery.digest is not None else delivery.id
                    ready[(together, delivery.recipient)].append((delivery, news))
            for parts in ready.values():
                jobs.append(await self._claim(connection, parts, now=now))
        return jobs

    async def _route(self, connection: AsyncConnection, *, now: int) -> None:
        notices = await deliveries.unrouted(connection)
        self._more = len(notices) == deliveries.MOST_AT_ONCE
        happened = await deliveries.happened(connection, notices)
        rows: list[dict[str, Any]] = []
        for notice in notices:
            drafts = route(
                config=self._config,
                policy=notice.policy,
                site=notice.site,
                opened=happened.get((notice.incident, notice.transition), notice.created),
                now=now,
                restored=self._restored,
            )
            for draft in drafts:
                rows.append(
                    {
                        "id": ids.derived("delivery", notice.id, draft.channel, draft.recipient),
                        "notice": notice.id,
                        "incident": notice.incident,
                        "policy": draft.policy,
                        "channel": draft.channel,
                        "recipient": draft.recipient,
                        "rank": RANKS.get(notice.severity, 1),
                        "digest": draft.digest,
                        "state": draft.state,
                        "reason": draft.reason,
                        "created": now,
                        "next_at": draft.next_at,
                        "possibly_repeated": int(draft.possibly_repeated),
                    }
                )
                if draft.reason:
                    log.error("notify.nobody", incident=notice.incident, reason=draft.reason)
        if notices:
            await deliveries.routed(connection, [notice.id for notice in notices], rows, now=now)

    async def _judge(self, connection: AsyncConnection, delivery: Delivery, *, now: int) -> News | None:
        """What there is to send of this delivery, or None when a stage held it back or it is too late."""
        if delivery.recipient not in self._senders:
            reason = f"{delivery.recipient} is no longer in this relay's configuration"
            await deliveries.finish(connection, delivery.id, state="failed", reason=reason, now=now)
            return None
        folded, gateway = await self._incidents.folded(connection, delivery.incident)
        view = View(
            incident=folded,
            relay=self._relay,
            transition=delivery.transition,
            channel=delivery.channel,
            recipient=delivery.recipient,
            digest=delivery.digest,
            keeps=self._keeps,
            reachable=() if self._keeps else await self._reachable(connection, gateway, now=now),
            now=now,
            on_site=self._on_site,
            told_as=_told_as(delivery),
        )
        verdict = judge(view)
        if not verdict.go and verdict.until is None:
            await deliveries.unneeded(connection, delivery.id, reason=verdict.reason, now=now)
            self._metrics.deliveries.labels(delivery.channel, "unneeded").inc()
            log.info("notify.unneeded", delivery=delivery.id, incident=delivery.incident, reason=verdict.reason)
            return None
        if verdict.until is not None and now - delivery.created > self._config.give_up_after:
            reason = f"held back until it was too late: {verdict.reason}"
            await deliveries.finish(connection, delivery.id, state="expired", reason=reason, now=now)
            return None
        if verdict.until is not None:
            await deliveries.hold(connection, delivery.id, reason=verdict.reason, until=verdict.until)
            return None
        return News(
            delivery=delivery.id,
            incident=delivery.incident,
            transition=delivery.transition,
            title=folded.title,
            severity=folded.severity,
            state=folded.state,
            site=delivery.site,
            gateway=delivery.gateway,
            opened=folded.opened if folded.opened is not None else delivery.created,
            still=await deliveries.first_still(connection, delivery.incident),
            attempt=delivery.attempts + 1,
            possibly_repeated=delivery.possibly_repeated,
            covert=folded.covert,
        )

    async def _reachable(self, connection: AsyncConnection, gateway: str, *, now: int) -> tuple[str, ...]:
        """Outlets of the gateway that keep a copy and answered it, as of its last heartbeat."""
        row = (
            await connection.execute(
                select(gateway_table.c.outlets, gateway_table.c.last_seen).where(gateway_table.c.id == gateway)
            )
        ).one()
        if now - row.last_seen > HEARTBEAT_FRESH:
            return ()
        outlets = json.loads(row.outlets)
        return tuple(name for name, state in outlets.items() if state["reachable"] and state["keeps_copy"])

    async def _claim(
        self, connection: AsyncConnection, parts: Sequence[tuple[Delivery, News]], *, now: int
    ) -> _Sending:
        for delivery, _ in parts:
            await deliveries.sending(connection, delivery.id, attempts=delivery.attempts + 1, until=now + LEASE)
        digest = parts[0][0].digest
        listed = sorted(delivery.id for delivery, _ in parts)
        message = Message(
            id=listed[0] if digest is None else ids.derived("digest", *listed),
            relay=self._name,
            public_url=self._public_url,
            news=tuple(news for _, news in parts),
            digest=digest,
        )
        return _Sending(message, tuple(delivery for delivery, _ in parts))

    async def _send(self, job: _Sending) -> None:
        """One attempt, and what became of it."""
        first = job.parts[0]
        error: SendError | None = None
        async with self._limit:
            reach("notify.before_send")
            try:
                await self._senders[first.recipient].send(job.message, now=self._clock.wall())
            except SendError as failed:
                error = failed
        reach("notify.after_send_before_mark")
        try:
            await self._record(job, error)
        except FAILURES as failed:
            # The rows stay `sending`; their lease ends and they are sent again, marked as a possible repeat.
            log.error("notify.store_failed", reason=str(getattr(failed, "orig", failed)))
        self.wake()

    async def _record(self, job: _Sending, error: SendError | None) -> None:
        told: list[tuple[str, str]] = []
        now = self._clock.wall()
        async with self._db.write() as connection:
            for delivery in job.parts:
                attempt = delivery.attempts + 1
                too_late = now - delivery.created > self._config.give_up_after
                if error is not None and not error.permanent and not too_late:
                    at = now + self._wait(attempt, error)
                    await deliveries.again(connection, delivery.id, at=at, error=str(error), repeated=error.uncertain)
                    continue
                state = "sent" if error is None else "failed" if error.permanent else "expired"
                reason = str(error) if error else ""
                await deliveries.finish(connection, delivery.id, state=state, reason=reason, now=now)
                owner = await self._incidents.append(
                    connection,
                    incident=delivery.incident,
                    make=lambda lamport, delivery=delivery, state=state, attempt=attempt: self._entry(  # type: ignore[misc]
                        delivery, lamport, state="sent" if state == "sent" else "failed", attempt=attempt, now=now
                    ),
                )
                told.append((owner, delivery.incident))
        for delivery in job.parts:
            outcome = "sent" if error is None else "failed"
            self._metrics.deliveries.labels(delivery.channel, outcome).inc()
            log.info(
                f"notify.{outcome}",
                delivery=delivery.id,
                incident=delivery.incident,
                recipient=delivery.recipient,
                attempt=delivery.attempts + 1,
                reason=str(error) if error else None,
            )
        for owner, incident in told:
            self._incidents.told(owner, incident)

    def _wait(self, attempt: int, error: SendError) -> int:
        """µs until the next attempt: full jitter, or what the receiver asked for if that is longer."""
        ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 16))
        return int(max(self._chance.uniform(0.1, ceiling), error.after or 0.0) * 1_000_000)

    def _entry(self, delivery: Delivery, lamport: int, *, state: str, attempt: int, now: int) -> Entry:
        return Entry(
            id=_told_as(delivery),
            kind="incident.notified",
            incident=delivery.incident,
            lamport=lamport,
            origin=self._relay,
            wall=now,
            by=self._name,
            body={
                "channel": delivery.channel,
                "recipient": delivery.recipient,
                "state": state,
                "attempt": attempt,
                "possibly_repeated": delivery.possibly_repeated,
            },
        )


def _told_as(delivery: Delivery) -> str:
    """The id of the entry that says what became of a delivery."""
    return ids.derived("notified", delivery.id)
