"""The main job from end to end, as its users would see it: real processes, the simulated building, both relays."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hwlab.building import Building
from hwlab.demo.estate import PRE_ROLL, Estate, prepare
from hwlab.demo.night import Watch
from hwlab.demo.processes import Processes
from hwlab.demo.proof import prove
from hwlab.demo.show import wait_for_footage
from hwlab.demo.visitor import Visitor, printed_code
from hwlab.demo.witness import Witness

ROOT = Path(__file__).resolve().parents[2]


def _quiet(text: str = "") -> None:
    print(text)


@asynccontextmanager
async def town(directory: Path) -> AsyncIterator[tuple[Building, Estate, Processes]]:
    """The building and all processes, without a scenario."""
    async with Building(directory=directory / "building") as building:
        estate = await prepare(directory, building, port=0)
        async with Processes(estate=estate, say=_quiet) as processes:
            await wait_for_footage(building)
            yield building, estate, processes


async def visit(base: str, log_file: Path) -> Visitor:
    code = printed_code(log_file)
    assert code is not None, log_file.read_text()
    visitor = Visitor(base=base)
    await visitor.sign_in(code)
    return visitor


@pytest.mark.timeout(240)
def test_demo_sees_every_step_at_its_far_end(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "nightporter", "demo", "--dir", str(tmp_path / "d"), "--exit", "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    whole = json.loads(report.read_text())
    assert whole["good"]
    (night,) = whole["nights"]
    assert night["missing"] == []
    assert night["proof"]["problems"] == []
    assert night["proof"]["frames"] > 100
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == "", "the demo left processes running"


@pytest.mark.timeout(300)
async def test_with_the_cloud_relay_gone_the_building_goes_on_and_catches_up_in_order(tmp_path: Path) -> None:
    async with town(tmp_path) as (building, estate, processes):
        box = await visit(f"http://127.0.0.1:{estate.box_port}", processes.box.log_file)
        cloud = await visit(f"http://127.0.0.1:{estate.cloud_port}", processes.cloud.log_file)
        boxes = asyncio.create_task(box.watch())
        await box.watching()
        await processes.cloud.stop()
        await asyncio.sleep(PRE_ROLL + 1.5)  # pre-roll can only be had of what was seen
        before = len(building.siren("siren-1").commands)
        await building.sensor("server-room-door").open()
        await building.siren("siren-1").commanded(before + 1)

        box_db = estate.box / "data" / "relay.db"
        async with asyncio.timeout(60):
            while not box.shown:
                await asyncio.sleep(0.05)
            while not _rows(box_db, "SELECT 1 FROM clip WHERE state = 'sealed' AND reason = 'complete'"):
                await asyncio.sleep(0.2)
        (incident,) = box.shown
        ((clip,),) = _rows(box_db, "SELECT id FROM clip")
        manifest = await box.manifest(str(clip))
        assert await box.fetch(f"/clips/{clip}/segments/0"), manifest
        boxes.cancel()

        await processes.cloud.start()
        witness = Witness(data=estate.cloud / "data")
        watch = Watch(building=building, witness=witness, visitor=None, say=_quiet)
        async with asyncio.timeout(60):
            seen = await watch.arrival(incident)
        assert seen.sealed is not None
        proof = await prove(seen, cloud)
        assert proof.problems == ()
        data = estate.cloud / "data" / "relay.db"
        # Once: no fact twice. In order: the incident was here before any of its pictures.
        assert _rows(data, "SELECT fact FROM record WHERE fact IS NOT NULL GROUP BY fact HAVING count(*) > 1") == []
        opened = int(str(_rows(data, "SELECT min(received) FROM record WHERE kind = 'incident.opened'")[0][0]))
        first_file = min(path.stat().st_mtime_ns for path in (estate.cloud / "data" / "blobs").rglob("*/*/*/*"))
        assert opened * 1000 <= first_file
        witness.close()
        await box.close()
        await cloud.close()


@pytest.mark.timeout(240)
async def test_acknowledge_in_the_cloud_reaches_the_gateway_and_the_box(tmp_path: Path) -> None:
    async with town(tmp_path) as (building, estate, processes):
        cloud = await visit(f"http://127.0.0.1:{estate.cloud_port}", processes.cloud.log_file)
        watching = asyncio.create_task(cloud.watch())
        await cloud.watching()
        await building.sensor("server-room-door").open()
        async with asyncio.timeout(30):
            while not cloud.shown:
                await asyncio.sleep(0.02)
            (incident,) = cloud.shown
            await cloud.act(incident, "acknowledge")
            box_db = estate.box / "data" / "relay.db"
            agent_db = estate.directory / "gateway" / "data" / "log.db"
            while _rows(box_db, "SELECT state FROM incident") != [("acknowledged",)]:
                await asyncio.sleep(0.02)
            assert _rows(agent_db, "SELECT count(*) FROM log WHERE kind = 'incident.acknowledged'") == [(1,)]
            await cloud.act(incident, "resolve", reason="test")
            while _rows(box_db, "SELECT state FROM incident") != [("resolved",)]:
                await asyncio.sleep(0.02)
        at_cloud = _rows(estate.cloud / "data" / "relay.db", "SELECT data FROM entry WHERE kind LIKE '%acknowledged'")
        at_agent = _rows(agent_db, "SELECT bytes FROM log WHERE kind = 'incident.acknowledged'")
        at_box = _rows(box_db, "SELECT data FROM entry WHERE kind LIKE '%acknowledged'")
        assert at_cloud == at_agent == at_box, "an entry travels as its maker's exact bytes"
        watching.cancel()
        await cloud.close()


def _rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
