"""The relay's own disasters: killed in the middle of a batch, again and again, and restored from an old backup. The
gateways fill the gap, and nobody is rung a second time for what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.channel.relay import RelayChannel
from certs import profiles
from relay.failpoints import NAMES
from relay.restored import HEARSAY
from tests.chaos.ledger import Ledger
from tests.chaos.line_rig import IDENTITY, Line, RelayProcess, line
from tests.integration.agent_process import GATEWAY
from tests.integration.outlet_rig import rig, running
from tests.integration.relay_rig import Place

FORGETTING = Path(__file__).with_name("forgetting_agent.py")
CARELESS = Path(__file__).with_name("careless_relay.py")


@pytest.fixture
def not_quick(effort: str) -> None:
    if effort == "quick":
        pytest.skip("has its turn with EFFORT=ci")


def equal_sets(run: Line, ledger: Ledger) -> None:
    """What the checker says, and that the relay has the gateway's log to its end."""
    report = ledger.judged(run.judge())
    assert report.ok, f"CHAOS_SEED={ledger.seed}\n{report}"
    assert run.marks() == run.heads()


@pytest.mark.timeout(1200)
async def test_killed_in_the_middle_of_a_batch(tmp_path: Path, ledger: Ledger, pick: Callable[..., int]) -> None:
    kills = pick(quick=5, ci=20, long=200)
    places = [name for name in NAMES if name.startswith(("ingest.", "notify."))]
    async with line(tmp_path) as run:
        await run.relay.start()
        await run.live()
        run.building.talking.set()
        await run.until(lambda: run.marks().get("P0", 0) > 0, what="the first incident at the relay")
        await run.relay.kill()
        for number in range(kills):
            if number % 2:
                await run.relay.start()
                await asyncio.sleep(ledger.chance.uniform(0, 0.8))
                ledger.count("relay kills at random")
            else:
                await run.relay.start(failpoint=f"{ledger.chance.choice(places)}:{ledger.chance.randint(1, 6)}")
                ledger.count("relay kills at fail-points" if await run.relay.died(seconds=6) else "not reached")
            await run.relay.kill()
        run.building.talking.clear()
        await run.relay.start()
        await run.converged()
        incidents = {record["body"]["incident"] for record in run.agent.records("incident.opened")}
        await run.until(lambda: incidents <= set(run.rung()), what="the last notification", seconds=60)
        equal_sets(run, ledger)
        ledger.count("incidents", len(incidents))
        again = {incident: told for incident, told in run.rung().items() if len(told) > 1}
        unlabelled = [incident for incident, told in again.items() if not all(told[1:])]
        ledger.count("told again, labelled", len(again) - len(unlabelled))
        assert unlabelled == [], "a repeat that does not say so"
        assert await run.agent.stop() == 0


async def restored(run: Line, *, agent: list[str] | None = None, relay: list[str] | None = None) -> set[str]:
    """A life, a backup, more life of which people hear, the relay's end, and the backup put back. The incidents that
    were told after the backup."""
    file = run.folder / "relay.npb"
    await run.relay.start()
    await run.live(agent)
    for number in range(3):
        await run.building.door.open()
        await run.building.door.close()
        await run.until(lambda n=number: len(run.rung()) == n + 1, what="news")  # type: ignore[misc]
    await run.converged()
    await run.relay.verb("backup", str(file))
    before = set(run.rung())
    for number in range(6):
        await run.building.door.open()
        await run.building.door.close()
        await run.until(lambda n=number: len(run.rung()) == n + 4, what="news")  # type: ignore[misc]
    run.building.talking.set()
    await asyncio.sleep(3)
    run.building.talking.clear()
    await run.converged()
    incidents = {record["body"]["incident"] for record in run.agent.records("incident.opened")}
    await run.until(lambda: incidents == set(run.rung()), what="all news", seconds=60)
    await run.until(
        lambda: set(run.agent.query("SELECT count(*) FROM log WHERE kind = 'incident.notified'")) == {len(incidents)},
        what="word at the gateway of what was told",
    )
    await run.converged()
    run.told.clear()
    await run.relay.kill()
    said = await run.relay.verb("restore", str(file))
    assert "gateways fill in what came since" in said
    await run.relay.start(program=relay)
    return incidents - before


@pytest.mark.timeout(240)
async def test_restored_from_an_old_backup(tmp_path: Path, ledger: Ledger, effort: str) -> None:
    async with line(tmp_path) as run:
        told = await restored(run)
        behind = {lane: seq - run.marks().get(lane, 0) for lane, seq in run.heads().items()}
        assert behind["P0"] >= len(told), "the backup was not old: this tests nothing"
        shown = run.relay.query("SELECT reason FROM trouble WHERE key = 'restored'")
        assert "from a backup of" in shown[0]
        await run.converged()
        equal_sets(run, ledger)
        ledger.count("records sent again", sum(behind.values()))
        ledger.count("incidents told before", len(told))
        # A new alarm is told at once, whatever waits for word about the old ones.
        await run.building.door.open()
        await run.until(lambda: run.rung(), what="the new alarm", seconds=10)
        (fresh,) = run.rung()
        assert fresh not in told
        assert run.rung()[fresh] == [False]
        if effort != "quick":
            waiting = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'held', 'sending')"
            await run.until(
                lambda: run.relay.query(waiting) == [0], what="an end of waiting", seconds=HEARSAY / 1e6 + 15
            )
            assert set(run.rung()) == {fresh}, "old news was told again"
            reasons = set(run.relay.query("SELECT reason FROM delivery WHERE state = 'unneeded'"))
            assert reasons == {"desk was told before this relay was restored"}
            gone = "SELECT count(*) FROM trouble WHERE key = 'restored'"
            await run.until(lambda: run.relay.query(gone) == [0], what="the end of the trouble", seconds=60)
        assert await run.agent.stop() == 0


@pytest.mark.usefixtures("not_quick")
@pytest.mark.timeout(120)
async def test_an_agent_that_trusts_its_own_cursor_leaves_a_gap(tmp_path: Path, ledger: Ledger) -> None:
    """The test of the test: without the safeguard the restored relay never gets what it lost."""
    ledger.fails_without("resending from the relay's watermark")
    async with line(tmp_path) as run:
        await restored(run, agent=[sys.executable, str(FORGETTING), "proud", "run"])
        await run.building.door.open()
        await asyncio.sleep(8)
        lacking = sum(seq - run.marks().get(lane, 0) for lane, seq in run.heads().items())
        ledger.harm("lost", lacking)
        assert lacking > 10, "it was sent again all the same"


@pytest.mark.usefixtures("not_quick")
@pytest.mark.timeout(120)
async def test_a_relay_that_does_not_ask_whether_it_told_rings_again(tmp_path: Path, ledger: Ledger) -> None:
    """The test of the test: without the safeguard people are rung a second time."""
    ledger.fails_without("looking for our own word that people were told")
    async with line(tmp_path) as run:
        told = await restored(run, relay=[sys.executable, str(CARELESS), "repeats"])
        await run.converged()
        await run.until(lambda: told <= set(run.rung()), what="the second ringing")
        ledger.harm("doubled", len(told))


async def test_killed_while_it_is_being_restored(tmp_path: Path, ledger: Ledger, pick: Callable[..., int]) -> None:
    """Whenever the machine stops: what is there is the database as it was, or as it is to be, whole."""
    (tmp_path / "cloud").mkdir()
    relay = RelayProcess(place=Place.found(tmp_path / "cloud"))
    file = tmp_path / "relay.npb"
    await relay.start()
    await relay.verb("backup", str(file))
    await relay.stop()
    with contextlib.closing(sqlite3.connect(relay.database)) as connection, connection:
        connection.execute("CREATE TABLE younger (than_the_backup INTEGER)")
    began = time.monotonic()
    await relay.verb("restore", str(file))
    took = time.monotonic() - began
    for _ in range(pick(quick=4, ci=15, long=100)):
        with contextlib.closing(sqlite3.connect(relay.database)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS younger (than_the_backup INTEGER)")
        process = await relay.begin("restore", str(file))
        try:
            async with asyncio.timeout(ledger.chance.uniform(0.4, 1.1) * took):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            ledger.count("restores killed")
        tables = relay.query("SELECT name FROM sqlite_master WHERE name IN ('younger', 'incident')")
        ledger.count("as it was" if "younger" in tables else "as it is to be")
        assert "incident" in tables, "it is an empty one"
        assert relay.query("PRAGMA integrity_check") == ["ok"]
    ledger.harm("corrupt", 0)
    await relay.start()  # whatever lies about, it starts, and the next restore goes through
    await relay.stop()
    await relay.verb("restore", str(file))
    assert not list(relay.database.parent.glob(".*")), "the leftovers of killed ones are gone"


@pytest.mark.usefixtures("not_quick")
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not-asked"])
async def test_recordings_come_again_to_a_relay_that_lost_them(tmp_path: Path, ledger: Ledger, asked: bool) -> None:
    """Blobs whose manifests are in the backup and whose bytes came after it, or were never in it. When the agent does
    not heed that the relay was restored (the test of the test), they are gone there."""
    if not asked:
        ledger.fails_without("asking a restored relay for every recording")
    (tmp_path / "cloud").mkdir()
    place = Place.found(tmp_path / "cloud")
    identity = place.issue("gateway-identity", profiles.gateway(IDENTITY))
    relay = RelayProcess(place=place)
    way: dict[str, Any] = {"url": f"https://127.0.0.1:{relay.port}", "identity": identity}
    blobs = relay.database.parent / "blobs"
    await relay.start()
    try:
        async with rig(tmp_path / "agent", gateway=GATEWAY) as gateway:
            made = gateway.outlet_with(name="cloud", **way)
            channel = RelayChannel(
                **way,
                name="cloud",
                gateway=GATEWAY,
                epoch=lambda: gateway.store.log.epoch,
                software="test",
                database=gateway.store.database,
                cursors=gateway.store.cursors,
                intake=gateway.intake,
                clock=gateway.clock,
                states=lambda: {"cloud": made.state.wire()},
                questions={},
                heard=made.nudge,
                restored=made.relay_restored if asked else None,
                ceiling=0.2,
            )
            async with running(made, channel):
                names = [await gateway.still(os.urandom(20_000)) for _ in range(5)]
                await gateway.media_done()
                await relay.verb("backup", str(tmp_path / "relay.npb"))
                names += [await gateway.still(os.urandom(20_000)) for _ in range(5)]
                await gateway.media_done()
                await relay.kill()
                shutil.rmtree(blobs)
                await relay.verb("restore", str(tmp_path / "relay.npb"))
                await relay.start()
                end = time.monotonic() + (20 if asked else 6)
                while time.monotonic() < end and len(held(blobs)) < len(names):
                    await asyncio.sleep(0.1)
                if asked:
                    assert held(blobs) == set(names)
                else:
                    assert held(blobs) == set(names[5:]), "only what the lost manifests name"
                ledger.harm("lost", len(set(names) - held(blobs)))
    finally:
        await relay.kill()


def held(blobs: Path) -> set[str]:
    return {path.name for path in blobs.rglob("*") if len(path.name) == 64}
