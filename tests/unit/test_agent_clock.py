"""Gateway time goes on where it stood, plus the time off where a clock can tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import clock as clocks
from agent.clock import Clock
from agent.store import meta, opening
from agent.store.log import Row
from agent.store.opening import Store, open_store

BOOT, WALL = 1_000_000_000, 1_800_000_000_000_000


class Machine:
    """The clocks of a machine, moved by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.boot, self.wall, self.id, self.good = BOOT, WALL, "boot-1", True
        for module in (clocks, opening):
            patch.setattr(module, "boot_now", lambda: self.boot)
            patch.setattr(module, "wall_now", lambda: self.wall)
            patch.setattr(module, "boot_id", lambda: self.id)
            patch.setattr(module, "synced", lambda: self.good)

    def passes(self, microseconds: int) -> None:
        self.boot += microseconds
        self.wall += microseconds

    def restarts(self, *, off: int) -> None:
        self.wall += off
        self.boot, self.id = 5_000_000, self.id + "+"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def start(path: Path) -> tuple[Store, Clock]:
    store = await open_store(path / "log.db", gateway="gw-1")
    return store, Clock.start(last_gt=store.last_gt, off_time=store.off_time, at=store.opened)


async def write(store: Store, clock: Clock, *, kind: str = "boot", gt: int | None = None) -> None:
    header = clock.header()
    row = Row(
        id=header["id"], kind=kind, lane="P0" if kind.startswith("incident.") else "P1",
        gt=header["gt"] if gt is None else gt, wall=header["wall"], clock=header["clock"], data=b"{}", is_input=True,
    )  # fmt: skip
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, [row])
    store.log.committed()


async def test_gateway_time_begins_at_nothing_and_follows_the_boot_clock(tmp_path: Path, machine: Machine) -> None:
    store, clock = await start(tmp_path)
    assert (store.last_gt, store.off_time) == (0, None)
    machine.boot += 7_000
    assert clock.gt() == 7_000
    machine.wall -= 3_600_000_000  # the wall clock may jump
    assert clock.gt() == 7_000
    assert clock.gt_of(clock.boot_of(4_000)) == 4_000
    assert clock.boot_of(7_000) == machine.boot
    await store.database.close()


async def test_within_one_boot_the_time_off_is_exact(tmp_path: Path, machine: Machine) -> None:
    store, clock = await start(tmp_path)
    machine.passes(10_000_000)
    await write(store, clock)
    machine.passes(2_000_000)  # then it is killed
    await store.database.close()
    machine.passes(60_000_000)
    machine.good = False  # the wall clock is not needed
    machine.wall = 0
    store, clock = await start(tmp_path)
    assert store.off_time == 62_000_000
    assert clock.gt() == 72_000_000
    machine.passes(1_000_000)
    await write(store, clock)
    await store.database.close()
    store, clock = await start(tmp_path)
    assert (store.off_time, clock.gt()) == (0, 73_000_000)
    await store.database.close()


async def test_after_a_restart_of_the_machine_the_wall_clock_tells_if_it_is_kept_right(
    tmp_path: Path, machine: Machine
) -> None:
    store, clock = await start(tmp_path)
    machine.passes(10_000_000)
    await write(store, clock)
    await store.database.close()
    machine.restarts(off=300_000_000)
    store, clock = await start(tmp_path)
    assert store.off_time == 300_000_000
    assert clock.gt() == 310_000_000
    await store.database.close()


@pytest.mark.parametrize("why", ["not synced now", "not synced then", "before", "unknown boot"])
async def test_otherwise_it_is_unknown_and_time_does_not_run_backwards(
    tmp_path: Path, machine: Machine, why: str
) -> None:
    if why == "not synced then":
        machine.good = False
    if why == "unknown boot":
        machine.id = "unknown"
    store, clock = await start(tmp_path)
    machine.passes(10_000_000)
    await write(store, clock)
    await store.database.close()
    machine.restarts(off=-100_000_000 if why == "before" else 300_000_000)
    machine.good = why not in ("not synced now", "unknown boot")
    if why == "unknown boot":
        machine.id = "unknown"
    store, clock = await start(tmp_path)
    assert store.off_time is None
    assert clock.gt() == 10_000_000
    await store.database.close()


async def test_a_quiet_time_before_an_orderly_stop_is_not_counted_twice(tmp_path: Path, machine: Machine) -> None:
    store, clock = await start(tmp_path)
    await write(store, clock)
    machine.passes(10_800_000_000)
    header = clock.header()
    async with store.database.transaction() as transaction:
        facts = {"clean": "1", "gt": str(header["gt"]), "wall": str(header["wall"]), "clock": header["clock"]}
        await meta.write(transaction, facts)
    await store.database.close()
    machine.restarts(off=60_000_000)
    store, clock = await start(tmp_path)
    assert store.clean
    assert store.off_time == 60_000_000
    assert clock.gt() == 10_860_000_000
    await store.database.close()


async def test_anothers_entry_does_not_move_our_time(tmp_path: Path, machine: Machine) -> None:
    store, clock = await start(tmp_path)
    machine.passes(10_000_000)
    await write(store, clock)
    await write(store, clock, kind="incident.noted", gt=2**50)
    await store.database.close()
    store, clock = await start(tmp_path)
    assert clock.gt() == 10_000_000
    await store.database.close()


def test_a_header_has_a_time_ordered_id() -> None:
    clock = Clock.start(last_gt=5, off_time=None)
    first, second = clock.header(), clock.header()
    assert first["id"] != second["id"]
    assert first["id"][14] == "7"
    assert 5 <= first["gt"] <= second["gt"]
    assert clock.confidence in ("synced", "unsynced")
