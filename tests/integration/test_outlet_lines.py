"""What is on the wire between an outlet and a relay: compressed where that pays, gaps in their places, two batches
under way when much waits, and the relay's time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.clock import boot_now
from agent.outlets import link
from agent.outlets.client import RelayClient
from agent.store.log import Log
from rules import wire
from rules.events import OutletRefused
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, Rig, rig, running, until


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


async def incidents(building: Rig, count: int) -> None:
    await asyncio.gather(*(building.incident(title=f"Door {n}") for n in range(count)))


async def equal(building: Rig, relay: FakeRelay, lane: str = "P0") -> None:
    await until(lambda: len(relay.taken(lane)) >= building.store.log.head(lane).seq)
    assert relay.taken(lane) == await building.held(lane)


# --- zstd ------------------------------------------------------------------------------------------------------------


async def test_a_backlog_is_compressed_and_one_alarm_is_not(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.zstd = "read"
    await incidents(building, 400)
    plain = sum(map(len, await building.held("P0")))
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
        assert relay.bytes["/v1/lanes/P0"] < plain / 2
        before = relay.bytes["/v1/lanes/P0"]
        await building.incident()
        await equal(building, relay)
        assert relay.bytes["/v1/lanes/P0"] - before > len((await building.held("P0"))[-1])


async def test_a_relay_that_does_not_read_zstd_gets_it_plain(building: Rig, relay: FakeRelay, at: Path) -> None:
    await incidents(building, 400)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
    assert relay.requests["POST /v1/lanes/P0"] == 1


async def test_one_that_says_it_reads_zstd_and_does_not_gets_it_plain(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    relay.zstd = "refused"
    await incidents(building, 700)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
    assert relay.requests["POST /v1/lanes/P0"] == 3  # refused once, then two batches
    assert building.told(OutletRefused) == []


# --- records that are gone -------------------------------------------------------------------------------------------


async def prune(log: Log, database: object, lane: str, since: int, until: int) -> None:
    """As the retention does it: the rows go, their range and the hash at its end stay."""
    chain = await log.chain_at(lane, until)
    assert chain is not None
    async with database.transaction() as transaction:  # type: ignore[attr-defined]
        await transaction.execute_fetchall(
            "DELETE FROM log WHERE epoch = ? AND lane = ? AND seq BETWEEN ? AND ?", (log.epoch, lane, since, until)
        )
        await transaction.execute_fetchall(
            "INSERT INTO log_gap (epoch, lane, since, until, count, reason, chain) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (log.epoch, lane, since, until, until - since + 1, "retention", chain),
        )


async def test_a_gap_leaves_in_its_place(building: Rig, relay: FakeRelay, at: Path) -> None:
    await incidents(building, 10)
    whole = await building.held("P0")
    await prune(building.store.log, building.store.database, "P0", 4, 7)
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: outlet.state.reachable and outlet.state.behind == 0)
        assert relay.taken("P0") == [*whole[:3], b"", b"", b"", b"", *whole[7:]]
        await building.incident()
        await until(lambda: len(relay.taken("P0")) == 11)
    [gap] = relay.gaps
    assert (gap.since, gap.to, gap.count, gap.reason) == (4, 7, 4, "retention")


async def test_a_gap_may_be_all_there_is(building: Rig, relay: FakeRelay, at: Path) -> None:
    await incidents(building, 5)
    await prune(building.store.log, building.store.database, "P0", 1, 5)
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: outlet.state.reachable and outlet.state.behind == 0)
    assert relay.taken("P0") == [b""] * 5


@pytest.mark.parametrize("held", [3, 5, 7])
async def test_a_relay_whose_watermark_is_inside_a_gap_goes_on(
    building: Rig, relay: FakeRelay, at: Path, held: int
) -> None:
    """It was restored from an older copy, and what it lacks has left our log meanwhile."""
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await incidents(building, 10)
        await equal(building, relay)
    whole = relay.taken("P0")
    relay.restore(building.store.epoch, "P0", held)
    await prune(building.store.log, building.store.database, "P0", 4, 7)
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: outlet.state.reachable and len(relay.taken("P0")) == 10)
    assert relay.taken("P0") == [*whole[:held], *[b""] * (7 - held), *whole[7:]]
    assert building.told(OutletRefused) == []


# --- two batches under way -------------------------------------------------------------------------------------------


async def test_a_long_backlog_goes_over_two_connections_in_order(building: Rig, relay: FakeRelay, at: Path) -> None:
    await incidents(building, 5000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
        assert relay.connections == 3
        assert [seq for lane, seq in relay.arrivals if lane == "P0"] == list(range(1, 5001))
        await building.incident()  # and afterwards the one that was there goes on
        await equal(building, relay)
    assert relay.connections == 3


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error", "later", "html", "too_large"])
@pytest.mark.parametrize("number", [1, 2, 5])
async def test_a_rush_that_is_disturbed_loses_and_doubles_nothing(
    building: Rig, relay: FakeRelay, at: Path, fault: str, number: int
) -> None:
    await incidents(building, 4000)
    relay.retry_after = "0"
    calm: deque[object] = deque([None] * (number - 1) + [fault])
    relay.faults["POST /v1/lanes/P0"] = calm  # type: ignore[assignment]
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
    assert [seq for lane, seq in relay.arrivals if lane == "P0"] == list(range(1, 4001))
    assert building.told(OutletRefused) == []


async def test_a_relay_restored_in_the_middle_of_a_rush_gets_what_it_lost(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    await incidents(building, 5000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await until(lambda: len(relay.taken("P0")) >= 2000)
        relay.restore(building.store.epoch, "P0", 700)
        await equal(building, relay)
    assert building.told(OutletRefused) == []


async def test_a_short_backlog_needs_no_second_connection(building: Rig, relay: FakeRelay, at: Path) -> None:
    await incidents(building, link.RUSH_FROM - 1)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
    assert relay.connections == 2


# --- the relay's time ------------------------------------------------------------------------------------------------


async def test_the_relays_time_is_heard_with_each_answer(building: Rig, relay: FakeRelay, at: Path) -> None:
    heard: list[tuple[str, int, int, int]] = []
    relay.wall = lambda: 1_700_000_000_000_000  # type: ignore[method-assign]
    before = boot_now()
    outlet = building.outlet("cloud", at, heard=lambda *one: heard.append(one))
    async with relay.listening(at), running(outlet):
        await until(lambda: len(heard) >= 4)  # nothing happens: the probes alone
    for name, wall, sent_at, received_at in heard:
        assert (name, wall) == ("cloud", 1_700_000_000_000_000)
        assert before <= sent_at <= received_at <= boot_now()


def test_an_older_relay_says_no_time() -> None:
    marks = wire.Watermarks.parse('{"v":1,"epoch":"e","lanes":{}}')
    assert marks.wall is None


# --- the connection --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [True, False], ids=["as it is", "without the safeguard"])
async def test_behind_a_new_connection_there_may_be_another_relay(
    building: Rig, relay: FakeRelay, at: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(RelayClient, "begin", lambda self: None)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await building.incident()
        await equal(building, relay)
        await until(lambda: relay.requests["POST /v1/lanes/P0"] == 1)
        for transport in list(relay.transports):
            transport.abort()
        await until(lambda: not relay.transports)
        asked = relay.requests["GET /v1/lanes"]
        await building.incident()
        await equal(building, relay)
        assert (relay.requests["GET /v1/lanes"] > asked) == guarded


async def test_what_closes_each_connection_is_named(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.closes = True
    await building.incident()
    cloud = building.outlet("cloud", at)
    async with relay.listening(at), running(cloud):
        await until(lambda: cloud.state.last_error)
    assert "closes each connection after a request" in (cloud.state.last_error or "")
    assert relay.requests["GET /v1/lanes"] < 50, "it is tried ever more seldom"
