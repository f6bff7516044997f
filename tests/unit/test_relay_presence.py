"""A gateway that falls silent is one incident, however often we look, and it ends when the gateway is heard."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from relay.changes import Changes
from relay.hub import Hub
from relay.incidents import Incidents
from relay.metrics import Metrics
from relay.peer import Peer
from relay.presence import Presence
from relay.store import gateways
from relay.store.database import Database
from relay.store.schema import entry, gateway, incident, notice, trouble

SECOND = 1_000_000


@dataclass
class HandClock:
    now: int = 1_000 * SECOND

    def wall(self) -> int:
        return 1_800_000_000 * SECOND + self.now

    def boot(self) -> int:
        return self.now


@dataclass
class Rig:
    clock: HandClock
    db: Database
    presence: Presence

    async def pass_time(self, seconds: int) -> None:
        for _ in range(0, seconds, 5):
            self.clock.now += 5 * SECOND
            await self.presence.look()

    async def states(self) -> list[tuple[str, str]]:
        async with self.db.read() as connection:
            rows = await connection.execute(select(incident.c.title, incident.c.state).order_by(incident.c.arrived))
            return [(row.title, row.state) for row in rows]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock, changes = HandClock(), Changes()
    db = Database(url=f"sqlite+aiosqlite:///{tmp_path}/relay.db")
    await db.open()
    hub = Hub(db=db, changes=changes, clock=clock)
    incidents = Incidents(relay="cloud-1", db=db, changes=changes, hub=hub, clock=clock)
    presence = Presence(
        relay="cloud-1",
        own_policy="guards",
        db=db,
        incidents=incidents,
        changes=changes,
        metrics=Metrics(),
        clock=clock,
    )
    async with db.write() as connection:
        await gateways.locked(connection, Peer(tenant="acme", site="hq", gateway="gw-1"), now=clock.wall())
    yield Rig(clock, db, presence)
    await db.close()


LOST = "Gateway gw-1 at hq is not heard"


async def test_silence_is_one_incident_and_being_heard_ends_it(rig: Rig) -> None:
    await rig.pass_time(90)
    assert await rig.states() == []
    await rig.pass_time(60)
    assert await rig.states() == [(LOST, "open")]
    async with rig.db.read() as connection:
        [row] = (await connection.execute(select(trouble))).all()
        assert (row.key, row.kind) == ("silent", "gateway.lost")
        assert len((await connection.execute(select(notice))).all()) == 1
    rig.presence.heard("gw-1")
    await rig.pass_time(5)
    assert await rig.states() == [(LOST, "resolved")]
    async with rig.db.read() as connection:
        assert (await connection.execute(select(trouble))).all() == []


async def test_silent_again_without_a_word_reopens_the_same(rig: Rig) -> None:
    await rig.pass_time(100)
    rig.presence.heard("gw-1")
    await rig.pass_time(100)
    assert await rig.states() == [(LOST, "open")]
    async with rig.db.read() as connection:
        transitions = [row.transition for row in await connection.execute(select(notice).order_by(notice.c.created))]
    assert transitions == ["opened", "reopened"]


async def test_heartbeats_keep_the_peace(rig: Rig) -> None:
    for _ in range(20):
        rig.presence.heard("gw-1")
        await rig.pass_time(20)
    assert await rig.states() == []
    async with rig.db.read() as connection:
        last = await connection.scalar(select(gateway.c.last_seen))
    assert rig.clock.wall() - (last or 0) <= 30 * SECOND


async def test_a_relay_that_slept_blames_nobody(rig: Rig) -> None:
    rig.presence.heard("gw-1")
    rig.clock.now += 8 * 3600 * SECOND
    await rig.pass_time(85)
    assert await rig.states() == []
    await rig.pass_time(15)
    assert await rig.states() == [(LOST, "open")]


async def _comes_and_goes(rig: Rig, times: int) -> None:
    for _ in range(times):
        rig.presence.heard("gw-1")
        await rig.pass_time(100)


async def test_one_that_comes_and_goes_stays_one_incident(rig: Rig) -> None:
    await _comes_and_goes(rig, 12)
    assert await rig.states() == [(LOST, "open")]
    async with rig.db.read() as connection:
        transitions = [row.transition for row in await connection.execute(select(notice).order_by(notice.c.created))]
        notes = [row.kind for row in await connection.execute(select(entry)) if row.kind == "incident.noted"]
    assert transitions == ["opened", "reopened", "reopened"], "nobody is rung for each of the twelve"
    assert len(notes) == 1
    for _ in range(29):
        rig.presence.heard("gw-1")
        await rig.pass_time(20)
    assert await rig.states() == [(LOST, "open")]
    for _ in range(3):
        rig.presence.heard("gw-1")
        await rig.pass_time(20)
    assert await rig.states() == [(LOST, "resolved")]
    await rig.pass_time(100)
    rig.presence.heard("gw-1")
    await rig.pass_time(5)
    assert await rig.states() == [(LOST, "resolved")], "it began anew: one silence is one silence"


async def test_without_the_damping_somebody_is_rung_each_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.flapping.MOST_CHANGES", 10**9)
    monkeypatch.setattr("relay.flapping.deque", lambda maxlen: deque())
    await _comes_and_goes(rig, 12)
    async with rig.db.read() as connection:
        assert len((await connection.execute(select(notice))).all()) == 12
