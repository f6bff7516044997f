"""A relay as an outlet: it is handed every record of the log, in order, once, and then the recordings.

Three connections, three tasks: lane P0 alone on the first, so that an alarm never waits behind anything; P1, P2 and P4
on the second; blobs on the third, and only while no incident waits.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.clock import Clock
from agent.errors import AgentError
from agent.intake import Intake
from agent.outlets.allowance import Allowance
from agent.outlets.backoff import CEILING, Backoff
from agent.outlets.former import Former
from agent.outlets.heard import Heard
from agent.outlets.lane import LaneFollower
from agent.outlets.link import PROBE, Link
from agent.outlets.media import LOOK_AGAIN, MediaLink
from agent.outlets.peer import Peer
from agent.outlets.silence import Silence
from agent.outlets.standing import GRACE, SETTLE, Standing
from agent.outlets.succession import Succession
from agent.outlets.witness import Witness
from agent.store.blobs import Blobs
from agent.store.cursors import Cursors
from agent.store.database import Database
from agent.store.doubts import doubt, doubt_all
from agent.store.log import Kept, Log
from rules import wire
from rules.errors import WireError

log = structlog.get_logger()

_LANES: tuple[wire.LaneName, ...] = ("P0", "P1", "P2", "P4")
_SOCKET_CEILING = 5.0  # seconds: what is on this machine may be asked more often
_SAVE_AFTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletStatus:
    """How an outlet stands now: `behind` counts records, `since` is wall time (µs) of the last change."""

    name: str
    reachable: bool
    keeps_copy: bool
    behind: int
    last_error: str | None
    since: int

    def wire(self) -> wire.OutletState:
        """As a heartbeat says it."""
        return wire.OutletState(reachable=self.reachable, keeps_copy=self.keeps_copy, behind=self.behind)


class RelayOutlet:
    """Service. Give `url` and `identity`, or `socket`. A relay that is down costs a connection attempt a minute."""

    def __init__(
        self,
        *,
        name: str,
        url: str | None = None,
        identity: Path | None = None,
        socket: Path | None = None,
        keeps_copy: bool = True,
        media: Path,
        database: Database,
        log: Log,
        cursors: Cursors,
        blobs: Blobs,
        intake: Intake,
        clock: Clock,
        succession: Succession | None = None,
        heard: Heard | None = None,
        ceiling: float | None = None,
        grace: float = GRACE,
        settle: float = SETTLE,
        probe: float = PROBE,
        look_again: float = LOOK_AGAIN,
        allowance: Allowance | None = None,
    ) -> None:
        """`media` holds `blobs/`; `succession` begins a new epoch where the relay has another history (without it
        such a relay is refused); `heard` is told the relay's time; `allowance` bounds what recordings may
        use; the rest are seconds."""
        self.name = f"outlet.{name}"
        self._outlet = name
        self._keeps_copy = keeps_copy
        self._database = database
        self._allowance = allowance or Allowance(outlet=name, database=database, intake=intake, clock=clock)
        peer = Peer.of(
            name=name,
            url=url,
            identity=identity,
            socket=socket,
            meter=self._allowance.count,
            unsure_since=lambda: clock.unsure_since,
        )
        self._ceiling = ceiling if ceiling is not None else _SOCKET_CEILING if socket is not None else CEILING
        self._backoffs: list[Backoff] = []
        self._standing = Standing(
            outlet=name,
            links=("alarms", "records"),
            intake=intake,
            clock=clock,
            database=database,
            grace=grace,
            settle=settle,
            silent=lambda: self._silence.told,
        )
        self._silence = Silence(outlet=name, clock=clock, intake=intake, database=database)
        self._lanes = {
            lane: LaneFollower(
                outlet=name,
                lane=lane,
                log=log,
                cursors=cursors,
                lost=self._doubt_blobs if lane == "P2" and keeps_copy else None,
            )
            for lane in _LANES
        }
        self._cursor_moved = asyncio.Event()

        former = Former(outlet=name, log=log, database=database, cursors=cursors)

        def link(link_name: str, *lanes: wire.LaneName, after: Link | None = None) -> Link:
            return Link(
                name=link_name,
                peer=peer,
                lanes=[self._lanes[lane] for lane in lanes],
                log=log,
                standing=self._standing,
                backoff=self._backoff(),
                moved=self._moved,
                worked=self.nudge,
                probe=probe,
                after=after,
                succession=succession,
                former=former,
                heard=heard,
            )

        self._alarms = link("alarms", "P0")
        self._records = link("records", "P1", "P2", "P4", after=self._alarms)
        self._witness = Witness(
            outlet=name, alarms=self._lanes["P0"], database=database, log=log, intake=intake, clock=clock
        )
        self._media = MediaLink(
            outlet=name,
            peer=peer,
            media=media,
            blobs=blobs,
            log=log,
            alarms=self._alarms,
            intake=intake,
            clock=clock,
            backoff=self._backoff(),
            allowance=self._allowance,
            witness=self._witness,
            error=self._media_error,
            look_again=look_again,
        )
        self._allowance.changed = self._media.look

    def _backoff(self) -> Backoff:
        backoff = Backoff(ceiling=self._ceiling)
        self._backoffs.append(backoff)
        return backoff

    @property
    def state(self) -> OutletStatus:
        """How it stands now."""
        return OutletStatus(
            name=self._outlet,
            reachable=self._standing.reachable,
            keeps_copy=self._keeps_copy,
            behind=sum(lane.behind for lane in self._lanes.values()),
            last_error=self._standing.last_error,
            since=self._standing.since,
        )

    def nudge(self) -> None:
        """Somebody heard the relay: try now, unless it asked us to wait."""
        for backoff in self._backoffs:
            backoff.nudge()

    async def run(self) -> None:
        """Hand over until cancelled."""
        # Imported in a thread, and not before now: the agent is ready sooner, and alarms are decided meanwhile.
        await asyncio.to_thread(importlib.import_module, "agent.outlets.client")
        await self._load()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._standing.run(), name=f"{self.name}.standing")
                group.create_task(self._keep_cursors(), name=f"{self.name}.cursors")
                group.create_task(self._alarms.run(), name=f"{self.name}.alarms")
                group.create_task(self._records.run(), name=f"{self.name}.records")
                if self._keeps_copy:
                    group.create_task(self._silence.run(), name=self._silence.name)
                    group.create_task(self._media.run(), name=f"{self.name}.media")
                    group.create_task(self._witness.run(), name=self._witness.name)
                    group.create_task(self._allowance.run(), name=self._allowance.name)
        finally:
            await self._save()

    async def _load(self) -> None:
        backoff = Backoff(ceiling=self._ceiling)
        while True:
            try:
                for lane in self._lanes.values():
                    await lane.load()
                return
            except AgentError as error:
                log.warning("outlet.store", outlet=self._outlet, error=str(error))
                await backoff.pause()

    async def _keep_cursors(self) -> None:
        """Cursors become durable a moment late, so that their fsync never stands in the way of an alarm's. One that
        is too low after a crash costs nothing: the relay's watermark corrects it. A store that fails is tried ever
        more seldom."""
        backoff = Backoff()
        while True:
            await self._cursor_moved.wait()
            await asyncio.sleep(_SAVE_AFTER)
            self._cursor_moved.clear()
            if await self._save():
                backoff.reset()
            else:
                self._cursor_moved.set()
                await backoff.pause()

    async def _save(self) -> bool:
        try:
            for lane in self._lanes.values():
                await lane.save()
        except AgentError as error:
            log.warning("outlet.store", outlet=self._outlet, error=str(error))
            return False
        return True

    async def _doubt_blobs(self, records: Sequence[Kept]) -> None:
        """The relay lost these manifests, so it may have lost their blobs."""
        names: list[str] = []
        for kept in records:
            try:
                body = wire.read(kept.data).body
            except WireError:
                continue
            names += [name for key in ("sha256", "init") if isinstance(name := body.get(key), str)]
        await doubt(self._database, self._outlet, names)
        self._media.look()

    def _moved(self) -> None:
        self._cursor_moved.set()
        self._silence.heard()
        if self._keeps_copy:
            self._witness.moved()

    async def relay_restored(self, moment: int) -> None:
        """The relay says that it was put back from a backup at `moment` (its wall time, µs): whether it still holds
        what it acknowledged before is asked about again, once."""
        if await doubt_all(self._database, self._outlet, restored=moment):
            log.warning("outlet.relay_restored", outlet=self._outlet)
            self._media.look()

    def _media_error(self, reason: str) -> None:
        self._standing.last_error = reason
