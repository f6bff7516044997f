"""One warm connection to a relay and the lanes that share it.

Theory of operation: connect, ask for the watermarks, agree; then hand over what the log has, lane by lane, one batch
each, and wait for the next commit. Once in a while an idle connection asks for the watermarks again: it stays warm,
and a relay that died or was restored from a copy is noticed without an alarm having to find out. Where the histories
differ the log is asked to go on under a new epoch, which it does at most once an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from agent.errors import AgentError, OutletError, OutletRefusal
from agent.outlets.answers import ConnectionEnded, Differs, EpochChanged, Later
from agent.outlets.backoff import Backoff
from agent.outlets.former import Former
from agent.outlets.heard import Heard
from agent.outlets.lane import BATCH_RECORDS, LaneFollower
from agent.outlets.meeting import meet
from agent.outlets.peer import Peer
from agent.outlets.rush import rush
from agent.outlets.standing import Standing
from agent.outlets.succession import Succession
from agent.store.log import Log

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

PROBE = 20.0  # seconds of silence after which an idle connection is used
GIVE_WAY = 0.25  # seconds records wait for an alarm on its way
RUSH_FROM = 2 * BATCH_RECORDS  # records behind from which two batches are under way at once
_LONGEST_CREDIT = 300.0  # seconds a relay may ask us to pause between batches


class Link:
    """`first` lanes go first. `caught_up` is set while the relay has everything these lanes hold."""

    def __init__(
        self,
        *,
        name: str,
        peer: Peer,
        lanes: Sequence[LaneFollower],
        log: Log,
        standing: Standing,
        backoff: Backoff,
        moved: Callable[[], None],
        worked: Callable[[], None],
        probe: float = PROBE,
        after: Link | None = None,
        succession: Succession | None = None,
        former: Former | None = None,
        heard: Heard | None = None,
    ) -> None:
        """`after` is the link whose records go first. `moved` is called when a cursor moved, `worked` when the relay
        was heard after a failure, `heard` with its time. Without `succession` a relay with another history is refused
        at once."""
        self._name = name
        self._peer = peer
        self._lanes = lanes
        self._log = log
        self._standing = standing
        self._backoff = backoff
        self._moved = moved
        self._worked = worked
        self._probe = probe
        self._after = after
        self._succession = succession
        self._former = former
        self._heard = heard
        self._failures = 0
        self._rounds = 0
        self.caught_up = asyncio.Event()

    @property
    def clear(self) -> bool:
        """Whether nothing of these lanes waits, and the relay was heard to say so."""
        return self.caught_up.is_set() and not any(lane.behind for lane in self._lanes)

    async def run(self) -> None:
        """Until cancelled; no failure of the relay or of the store ends it."""
        commits = self._log.follow()
        try:
            while True:
                await self._attempt(commits)
        finally:
            self._log.unfollow(commits)

    async def _attempt(self, commits: asyncio.Event) -> None:
        """One connection, until it fails; then the wait before the next one."""
        from agent.outlets.client import connect  # takes its time to import: not before the agent is ready

        try:
            async with connect(self._peer, heard=self._heard) as connection:
                await self._talk(connection, commits)
        except Differs as difference:
            self.caught_up.clear()
            if not await self._succeeded(difference):
                self._standing.refused(
                    self._name,
                    f"{difference}. The log has gone on under a new name less than an hour ago and does so once an "
                    "hour: find out which of the two is right, and stop the other.",
                )
                await self._backoff.pause_long()
        except OutletRefusal as refusal:
            self._standing.refused(self._name, str(refusal))
            self.caught_up.clear()
            await self._backoff.pause_long()
        except OutletError as error:
            self._failures += 1
            # A kept connection may have been closed just as we used it: the second failure in a row is news.
            if self._failures > 1:
                self._standing.lost(self._name, str(error))
            self.caught_up.clear()
            await self._backoff.pause(at_least=error.retry_after if isinstance(error, Later) else None)
        except AgentError as error:  # our own store; it has its own trouble event
            log.warning("outlet.store", link=self._name, error=str(error))
            self.caught_up.clear()
            await self._backoff.pause()

    async def _succeeded(self, difference: Differs) -> bool:
        """Whether the log goes on under another epoch now, or will once it can be written."""
        if self._succession is None:
            return False
        try:
            return await self._succession.begin(differs=difference.epoch, reason=str(difference))
        except AgentError as error:
            log.warning("outlet.store", link=self._name, error=str(error))
            await self._backoff.pause()
            return True

    async def _talk(self, connection: RelayClient, commits: asyncio.Event) -> None:
        while True:
            rounds = self._rounds
            connection.begin()
            try:
                meeting = await meet(connection, epoch=self._log.epoch, former=self._before)
                if meeting.supersedes is not None and self._former is not None:
                    before = await self._before()
                    if meeting.supersedes in before:
                        await self._former.complete(connection, before)
                        meeting = await meet(connection, epoch=self._log.epoch, former=self._before)
                for lane in self._lanes:
                    mark = meeting.lanes.get(lane.lane)
                    await lane.reconcile(meeting.epoch, mark, supersedes=meeting.supersedes)
                await self._hand_over(connection, commits)
            except EpochChanged:
                self.caught_up.clear()
            except ConnectionEnded:
                self.caught_up.clear()
                if self._rounds == rounds:  # it did not even last until something was agreed
                    raise

    async def _before(self) -> list[str]:
        return await self._succession.former() if self._succession is not None else []

    async def _hand_over(self, connection: RelayClient, commits: asyncio.Event) -> None:
        """Send as records appear; returns when the connection has been idle for a while."""
        while True:
            commits.clear()
            credit = 0.0
            await self._give_way()
            for lane in self._lanes:
                credit = max(credit, await self._send(lane, connection) or 0.0)
            self._works()
            if credit:
                await asyncio.sleep(min(credit, _LONGEST_CREDIT))
            if any(lane.behind for lane in self._lanes):
                self.caught_up.clear()
                continue
            self.caught_up.set()
            try:
                async with asyncio.timeout(self._probe * random.uniform(0.8, 1.0)):  # noqa: S311 - spread, no secret
                    await commits.wait()
            except TimeoutError:
                return

    async def _send(self, lane: LaneFollower, connection: RelayClient) -> float | None:
        if self._after is not None or lane.behind < RUSH_FROM:
            return await lane.send(connection)
        from agent.outlets.client import connect

        self.caught_up.clear()
        async with connect(self._peer, heard=self._heard) as second:
            second.begin()
            second.reads_zstd = connection.reads_zstd
            return await rush(lane, (connection, second), moved=self._works)

    async def _give_way(self) -> None:
        """An alarm on its way has the relay to itself: it writes one batch at a time, and this one would come first."""
        if self._after is None or self._after.clear:
            return
        self._after.caught_up.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_WAY):
                await self._after.caught_up.wait()

    def _works(self) -> None:
        """A whole round went well."""
        self._rounds += 1
        self._moved()
        self._standing.up(self._name)
        self._backoff.reset()
        if self._failures:
            self._failures = 0
            self._worked()
