"""The agent on a log of millions of rows: ready in time after a stop and after a kill, and no query that walks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from agent import recovery
from agent.config.load import parse_site
from agent.store import promises, receipts
from agent.store.database import Database
from agent.store.opening import open_store
from agent.store.sites import digest
from tests.integration.agent_process import GATEWAY, SITE, Agent
from tests.integration.large_store import TAIL, build

READY = 10.0  # seconds


def walks_through_log(step: str) -> bool:
    """Whether a step of a query's plan looks at every row of the log."""
    return re.match(r"SCAN log\b|SEARCH log$", step) is not None


@pytest.mark.timeout(1800)
async def test_ready_in_time_after_a_stop_and_after_a_kill(tmp_path: Path, pick: Callable[..., int]) -> None:
    rows = pick(quick=100_000, ci=2_000_000, long=20_000_000)
    data = tmp_path / "agent" / "data"
    data.mkdir(parents=True)
    await build(data / "log.db", rows=rows, gateway=GATEWAY, site=SITE)
    agent = Agent(folder=tmp_path / "agent", port=9)
    took = {}
    for what in ("stop", "kill", "second kill"):
        took[what] = await agent.start(seconds=120)
        await asyncio.sleep(1)
        await agent.kill()
    took["own stop"] = await agent.start(seconds=120)
    assert await agent.stop() == 0
    took["ready again"] = await agent.start(seconds=120)
    assert await agent.stop() == 0
    size = (data / "log.db").stat().st_size / 1e9
    print(f"\n{rows:,} rows, {size:.1f} GB: " + ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items()))
    assert max(took.values()) <= READY
    (data / "log.db").unlink()  # some gigabytes


async def test_no_query_of_a_start_walks_through_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await build(tmp_path / "log.db", rows=20_000, gateway=GATEWAY, site=SITE)
    asked: dict[str, tuple[Any, ...]] = {}
    read = Database.read

    async def noted(self: Database, sql: str, parameters: Iterable[Any] = ()) -> Any:
        parameters = tuple(parameters)
        asked.setdefault(sql, parameters)
        return await read(self, sql, parameters)

    monkeypatch.setattr(Database, "read", noted)
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    try:
        version, _ = await recovery.site_in_force(store, tmp_path)
        assert version.text == SITE
        restored = await recovery.restore(
            store, site=parse_site(SITE, "site"), site_sha256=digest(SITE), gateway=GATEWAY
        )
        assert restored.replayed == TAIL
        await promises.load(store.database)
        await receipts.load(store.database, "broker")
        await store.log.known(["00000000-0000-7000-8000-000000000000"])
        await store.log.after("P1", 17, limit=500, max_bytes=256_000)
        await store.log.chain_at("P1", 17)
        assert len(asked) > 12
        walks = []
        for sql, parameters in asked.items():
            if sql.startswith("PRAGMA"):
                continue
            for row in await read(store.database, f"EXPLAIN QUERY PLAN {sql}", parameters):
                step = str(row[3])
                ends_soon = "LIMIT 1" in sql and "ORDER BY pos" in sql  # the newest row is the first one met
                if walks_through_log(step) and not ends_soon:
                    walks.append(f"{' '.join(sql.split())}: {step}")
        assert not walks, "\n".join(walks)
    finally:
        await store.database.close()


async def test_the_plan_of_a_walk_is_noticed(tmp_path: Path) -> None:
    """The test of the test."""
    await build(tmp_path / "log.db", rows=2000, gateway=GATEWAY, site=SITE)
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    try:
        for query in (
            "SELECT max(wall) FROM log",
            "SELECT count(*) FROM log",
            "SELECT pos FROM log WHERE kind = 'boot'",
        ):
            (row,) = await store.database.read(f"EXPLAIN QUERY PLAN {query}")
            assert walks_through_log(str(row[3])), query
    finally:
        await store.database.close()
