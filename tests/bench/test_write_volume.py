"""How many bytes a day the log writes to its disk, at ten readings a second and a thousand events a day: SD cards and
eMMC wear out by it. Figures, not verdicts; wanted: at most 1.5 GB."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.rows import row
from agent.store import snapshots
from agent.store.opening import Store, open_store
from agent.upkeep import COMMITS
from hwlab.broker import Broker
from rules import ids
from rules.document.site import load_site
from rules.engine import Engine
from rules.events import ContactOpened, Event, ReadingsPacked
from tests.chaos.building_rig import building
from tests.integration.agent_process import SITE, USERS, Agent

READINGS, EVENTS, DAY = 10, 1000, 86_400  # a second, a day, seconds
WAIT = 5  # seconds that readings wait for each other
OUTLETS = ("cloud", "box")
SNAPSHOT_EVERY = 2000  # inputs, a tenth of a reading each
WANTED = 1.5e9


def written(pid: int | str = "self") -> int:
    """Bytes a process has caused to be written to disks."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/io has no write_bytes")


class Day:
    """What the agent commits, at the gateway times it would."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._state = Engine(site=load_site(SITE, "site"), site_sha256="s", origin="gw-1").snapshot()
        self._n = 0
        self._since = 0
        self.commits = 0
        self.parts = {"records": 0, "cursors": 0, "moved into the file": 0}

    async def live(self, seconds: int) -> None:
        between = DAY // EVENTS
        for second in range(0, seconds, WAIT):
            await self._commit(self._readings(second), inputs=1 + READINGS * WAIT // 10)
            if second % between < WAIT:
                fact = ContactOpened(**self._header(second), device="hatch", n=second)
                await self._commit(fact, inputs=1)

    def _header(self, second: int) -> dict[str, Any]:
        self._n += 1
        wall = 1_790_000_000_000_000 + second * 1_000_000
        return {
            "id": ids.time_ordered(wall=wall, random=os.urandom(10)), "gt": second * 1_000_000, "wall": wall,
            "clock": "synced",
        }  # fmt: skip

    def _readings(self, second: int) -> ReadingsPacked:
        count = READINGS * WAIT
        header = self._header(second) | {"id": ids.derived("packed", self._n)}
        return ReadingsPacked(
            **header,
            kinds=["reading.temperature"] * count,
            devices=[f"thermometer-{n % 20}" for n in range(count)],
            values=[20 + (self._n * 7 + n) % 50 / 10 for n in range(count)],
            after=[n * 100_000 + n % 7 * 1000 for n in range(count)],
        )

    async def _commit(self, fact: Event, *, inputs: int) -> None:
        store, before = self._store, written()
        self._since += inputs
        async with store.database.transaction() as transaction:
            await store.log.append(transaction, [row(fact, is_input=True)])
            if self._since >= SNAPSHOT_EVERY:
                self._since = 0
                await snapshots.save(transaction, data=self._state * 40, site_sha256="s", wall=fact.wall)
        store.log.committed()
        now = written()
        assert fact.lane is not None
        for outlet in OUTLETS:
            await store.cursors.acknowledge(outlet, fact.lane, store.log.head(fact.lane).seq)
        self.commits += 1
        self.parts["records"] += now - before
        self.parts["cursors"] += written() - now
        if store.database.unmoved >= COMMITS:
            now = written()
            await store.database.checkpoint()
            self.parts["moved into the file"] += written() - now


@pytest.mark.timeout(900)
async def test_bytes_written_in_a_day(tmp_path: Path, pick: Callable[..., int]) -> None:
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    seconds = DAY // pick(quick=12, ci=1)
    began = written()
    try:
        day = Day(store)
        await day.live(seconds)
        await store.database.checkpoint()
    finally:
        await store.database.close()
    if written() == began:
        pytest.skip(f"{tmp_path} is on no disk: nothing is counted there")
    share = DAY / seconds
    total = (written() - began) * share
    parts = ", ".join(f"{name} {count * share / 1e6:.0f} MB" for name, count in day.parts.items())
    size = (tmp_path / "log.db").stat().st_size * share
    print(
        f"\nwritten in a day: {total / 1e9:.2f} GB (wanted: at most {WANTED / 1e9:.1f}) in {day.commits * share:,.0f}"
        f" commits: {parts}; the log grows by {size / 1e6:.0f} MB"
    )


@pytest.mark.timeout(900)
async def test_bytes_written_by_the_agent_itself(tmp_path: Path, pick: Callable[..., int]) -> None:
    """The real process, without outlets, at the same readings a second, for a while after its start."""
    seconds = pick(quick=30, ci=300)
    async with Broker(directory=tmp_path / "broker", users=USERS) as broker, building(tmp_path, broker) as talking:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start()
        try:
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            assert agent.pid is not None
            await asyncio.sleep(6)
            began, at = written(agent.pid), asyncio.get_running_loop().time()
            for n in range(seconds * READINGS):
                await talking.heat.publish({"temperature": n % 50})
                await asyncio.sleep(max(0.0, at + (n + 1) / READINGS - asyncio.get_running_loop().time()))
            total = (written(agent.pid) - began) * DAY / (asyncio.get_running_loop().time() - at)
            (rows,) = agent.query("SELECT count(*) FROM log WHERE kind = 'readings.packed'")
            print(f"\nthe agent, {READINGS} readings a second: {total / 1e9:.2f} GB a day ({rows} rows in {seconds} s)")
            assert await agent.stop() == 0
        finally:
            await agent.kill()
