"""Records to a relay: nothing lost, nothing twice, in order, whatever the relay or the line does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.store.database import Database
from rules.events import OutletLost, OutletRefused, OutletRestored
from tests.integration.fake_relay import FakeRelay, Fault
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


async def equal(building: Rig, relay: FakeRelay, *lanes: str) -> None:
    """Every record of these lanes arrived, once, in order, byte for byte."""
    for lane in lanes or ("P0", "P1", "P2"):
        await until(lambda lane=lane: len(relay.taken(lane)) >= building.store.log.head(lane).seq)  # type: ignore[misc]
        assert relay.taken(lane) == await building.held(lane)


async def test_records_arrive_once_in_order_byte_for_byte(building: Rig, relay: FakeRelay, at: Path) -> None:
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        for _ in range(20):
            await building.incident()
            await building.door()
        await equal(building, relay)
        await until(lambda: outlet.state.reachable and outlet.state.behind == 0)
        assert outlet.state.last_error is None


async def test_a_backlog_arrives_in_batches_within_their_bounds(building: Rig, relay: FakeRelay, at: Path) -> None:
    await asyncio.gather(*(building.incident(title="x" * 300) for _ in range(1200)))
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay)
    assert relay.requests["POST /v1/lanes/P0"] >= 3
    assert relay.requests["POST /v1/lanes/P0"] < 10


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error", "later", "html", "redirect"])
async def test_a_relay_that_fails_in_the_middle_gets_everything_once(
    building: Rig, relay: FakeRelay, at: Path, fault: Fault
) -> None:
    relay.faults["POST /v1/lanes/P0"] = deque([fault, fault])
    relay.retry_after = "0"
    async with relay.listening(at), running(building.outlet("cloud", at)):
        for _ in range(5):
            await building.incident()
        await equal(building, relay)
    assert [seq for lane, seq in relay.arrivals if lane == "P0"] == [1, 2, 3, 4, 5]


async def test_retry_after_is_waited_out(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.faults["POST /v1/lanes/P0"] = deque(["later"])
    relay.retry_after = "1"
    await building.incident()
    loop = asyncio.get_running_loop()
    began = loop.time()
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: relay.requests["POST /v1/lanes/P0"])
        for _ in range(20):
            outlet.nudge()  # nobody may shorten what the relay asked for
            await asyncio.sleep(0.01)
        await equal(building, relay, "P0")
    assert loop.time() - began >= 1.0


async def test_a_batch_that_is_too_large_is_halved(building: Rig, relay: FakeRelay, at: Path) -> None:
    await asyncio.gather(*(building.incident() for _ in range(100)))
    relay.faults["POST /v1/lanes/P0"] = deque(["too_large"] * 3)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await equal(building, relay, "P0")


async def test_an_outage_is_told_once_and_so_is_its_end(building: Rig, relay: FakeRelay, at: Path) -> None:
    outlet = building.outlet("cloud", at)
    async with running(outlet):
        async with relay.listening(at):
            await building.incident()
            await equal(building, relay)
            await until(lambda: outlet.state.reachable)
        for _ in range(10):
            await building.incident()
        await until(lambda: building.told(OutletLost))
        assert not outlet.state.reachable
        assert outlet.state.behind >= 10
        assert "cannot be reached" in building.told(OutletLost)[0].reason
        await asyncio.sleep(1.0)  # many attempts later
        assert len(building.told(OutletLost)) == 1
        async with relay.listening(at):
            await until(lambda: building.told(OutletRestored))
            await equal(building, relay)
    assert (len(building.told(OutletLost)), len(building.told(OutletRestored))) == (1, 1)


async def test_an_outage_that_outlives_the_agent_still_ends(tmp_path: Path, relay: FakeRelay, at: Path) -> None:
    async with rig(tmp_path / "agent") as building, running(building.outlet("cloud", at)):
        await until(lambda: building.told(OutletLost))
    async with rig(tmp_path / "agent") as building, relay.listening(at), running(building.outlet("cloud", at)):
        await until(lambda: building.told(OutletRestored))
        assert building.told(OutletLost) == []
    async with rig(tmp_path / "agent") as building, relay.listening(at), running(building.outlet("cloud", at)):
        await building.incident()
        await equal(building, relay)
        assert building.told(OutletRestored) == []


async def test_the_cursor_survives_a_kill(tmp_path: Path, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at):
        for _ in range(3):
            async with rig(tmp_path / "agent") as building, running(building.outlet("cloud", at)) as (task,):
                for _ in range(10):
                    await building.incident()
                    await building.door()
                task.cancel()  # wherever it is
            async with rig(tmp_path / "agent") as building, running(building.outlet("cloud", at)):
                await equal(building, relay)
        sent = relay.requests["POST /v1/lanes/P0"]
        async with rig(tmp_path / "agent") as building, running(building.outlet("cloud", at)) as _:
            await until(lambda: relay.requests["GET /v1/lanes"] > 14)
        assert relay.requests["POST /v1/lanes/P0"] == sent  # what it has is not sent again


async def test_a_cursor_that_is_behind_the_relay_moves_forward(tmp_path: Path, relay: FakeRelay, at: Path) -> None:
    async with rig(tmp_path / "agent") as building, relay.listening(at):
        async with running(building.outlet("cloud", at)):
            await building.incident()
            await equal(building, relay)
        await building.store.cursors.acknowledge("cloud", "P0", 0)  # as if it had died before it was saved
        outlet = building.outlet("cloud", at)
        async with running(outlet):
            await until(lambda: outlet.state.reachable)
        assert relay.requests["POST /v1/lanes/P0"] == 1
        assert await building.store.cursors.acknowledged("cloud", "P0") == 1


async def test_a_relay_restored_from_an_older_copy_gets_what_it_lost(building: Rig, relay: FakeRelay, at: Path) -> None:
    epoch = building.store.epoch
    async with relay.listening(at), running(building.outlet("cloud", at)):
        for _ in range(10):
            await building.incident()
        picture = await building.still(b"picture")
        await equal(building, relay)
        await until(lambda: picture in relay.blobs)
        relay.restore(epoch, "P0", 4)
        relay.restore(epoch, "P2", 0)
        relay.blobs.clear()
        await equal(building, relay)  # nothing new happens: the idle connection finds out
        await until(lambda: picture in relay.blobs)
    assert building.told(OutletRefused) == []


async def test_a_relay_restored_while_we_send_gets_what_it_lost(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(building.outlet("cloud", at, probe=60.0)):
        for _ in range(10):
            await building.incident()
        await equal(building, relay)
        relay.restore(building.store.epoch, "P0", 4)
        await building.incident()
        await equal(building, relay)
    assert building.told(OutletRefused) == []


async def test_another_history_is_refused_and_never_overwritten(building: Rig, relay: FakeRelay, at: Path) -> None:
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        for _ in range(3):
            await building.incident()
        await equal(building, relay)
        held = relay.lane(building.store.epoch, "P0")
        held.records[-1] += b" "
        held.chains[-1] = b"\1" * 32
        before = list(held.records)
        await building.incident()
        await until(lambda: building.told(OutletRefused))
        asked = sum(relay.requests.values())
        await asyncio.sleep(0.5)
        assert held.records == before
        assert "is not the one in our log" in building.told(OutletRefused)[0].reason
        assert len(building.told(OutletRefused)) == 1
        assert sum(relay.requests.values()) - asked < 20  # no hot loop
        await building.door()  # what it does agree about goes on
        await equal(building, relay, "P1")


async def test_a_relay_that_is_ahead_is_refused(building: Rig, relay: FakeRelay, at: Path) -> None:
    held = relay.lane(building.store.epoch, "P0")
    held.records, held.chains = [b"{}"] * 7, [b"\1" * 32] * 7
    await building.incident()
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await until(lambda: building.told(OutletRefused))
    assert "it holds 7 records of lane P0, our log has 1" in building.told(OutletRefused)[0].reason
    assert held.records == [b"{}"] * 7


async def test_a_log_of_which_nothing_is_here_is_refused(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.current = "another-epoch"
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await building.incident()
        await until(lambda: building.told(OutletRefused))
    assert "knows this gateway by another log (epoch another-epoch)" in building.told(OutletRefused)[0].reason
    assert relay.requests["POST /v1/lanes/P0"] == 0


async def test_a_refusal_is_lifted_by_itself(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.always["GET /v1/lanes"] = "refuse"
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: building.told(OutletRefused))
        assert "this gateway was locked by its operator" in building.told(OutletRefused)[0].reason
        relay.always.clear()
        await until(lambda: building.told(OutletRestored))
        await equal(building, relay)


async def test_one_that_is_down_does_not_hold_up_the_other(building: Rig, relay: FakeRelay, tmp_path: Path) -> None:
    slow = FakeRelay(gateway=GATEWAY)
    slow.always["POST /v1/lanes"] = "slow"
    paths = [tmp_path / "a.sock", tmp_path / "b.sock", tmp_path / "none.sock"]
    outlets = [building.outlet(path.stem, path) for path in paths]
    async with relay.listening(paths[0]), slow.listening(paths[1]), running(*outlets):
        for _ in range(10):
            await building.incident()
        await equal(building, relay, "P0")
        assert slow.taken("P0") == []
        slow.hold.set()
        await equal(building, slow, "P0")


async def test_an_alarm_does_not_wait_behind_a_batch_of_records(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.always["POST /v1/lanes/P1"] = "slow"
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await building.door()
        await until(lambda: relay.requests["POST /v1/lanes/P1"])
        await building.incident()
        await equal(building, relay, "P0")
        assert relay.taken("P1") == []


async def test_a_warm_connection_is_used_again(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(building.outlet("cloud", at)):
        for _ in range(10):
            await building.incident()
            await building.door()
            await equal(building, relay)
    assert relay.connections == 2


async def test_a_store_that_fails_ends_nothing(
    building: Rig, relay: FakeRelay, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.errors import StoreError

    failures = 3
    read = Database.read

    async def failing(self: Database, sql: str, parameters: tuple[object, ...] = ()) -> list[object]:
        nonlocal failures
        if "AS since" in sql and failures:
            failures -= 1
            raise StoreError("the disk is not well")
        return await read(self, sql, parameters)  # type: ignore[return-value]

    async with relay.listening(at), running(building.outlet("cloud", at)):
        monkeypatch.setattr(Database, "read", failing)
        await building.incident()
        await equal(building, relay)
    assert failures == 0
