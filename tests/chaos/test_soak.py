"""Days in minutes: a building that never stops talking, a relay that comes and goes, and every second a look at what
each process holds. Memory, descriptors and the write-ahead log stay where they were; no task dies unheard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.ledger import Ledger
from tests.chaos.line_rig import Line, line, memory

WAL = 64 << 20
GROWTH = 1.05  # of memory between the end of the first third and the end
SLACK = 4 << 20  # bytes by which a small process may grow all the same: arenas, caches that fill
FDS = 8  # more descriptors at the end than after the first third: a connection under way, not one an hour
UNHEARD = ("Task exception was never retrieved", "exception was never retrieved", "Traceback (most recent call last)")


@dataclass(slots=True)
class Samples:
    """What one process held, second by second."""

    memory: list[int] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)
    wal: int = 0

    def take(self, pid: int | None, database: Path) -> None:
        if pid is None:
            return
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends as we look
            self.memory.append(memory(pid))
            self.fds.append(len(os.listdir(f"/proc/{pid}/fd")))
        with contextlib.suppress(FileNotFoundError):
            self.wal = max(self.wal, database.with_name(f"{database.name}-wal").stat().st_size)

    def settled(self) -> tuple[int, int, int, int]:
        """Memory and descriptors, each as the median around a third of the time and at the end."""
        return (*_thirds(self.memory), *_thirds(self.fds))


def _thirds(values: list[int]) -> tuple[int, int]:
    width = max(1, len(values) // 10)
    third = len(values) // 3
    return (
        sorted(values[third : third + width])[width // 2],
        sorted(values[-width:])[width // 2],
    )


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_days_of_talk(tmp_path: Path, ledger: Ledger) -> None:
    """`SOAK_SECONDS`, by default a minute; 1,800 is what a release wants."""
    seconds = int(os.environ.get("SOAK_SECONDS", "60"))
    agent, relay = Samples(), Samples()
    async with line(tmp_path) as run:
        await run.relay.start()
        await run.live()
        run.building.talking.set()
        began = time.monotonic()
        gone = began + seconds / 2
        while time.monotonic() < began + seconds:
            agent.take(run.agent.pid, run.agent.database)
            relay.take(run.relay.pid, run.relay.database)
            if time.monotonic() > gone:  # once, in the middle: both must let go of what the other one held
                gone = float("inf")
                await run.relay.stop()
                await asyncio.sleep(seconds / 20)
                await run.relay.start()
                relay.memory.clear()  # another process
                relay.fds.clear()
                ledger.count("relay restarts")
            await asyncio.sleep(1)
        run.building.talking.clear()
        await run.converged(seconds=120)
        report = ledger.judged(run.judge())
        assert report.ok, str(report)
        for name, samples in (("agent", agent), ("relay", relay)):
            before, after, fds, fds_after = samples.settled()
            ledger.note(
                **{f"{name}_bytes": after, f"{name}_growth": round(after / before, 3), f"{name}_wal": samples.wal,
                   f"{name}_descriptors": fds_after}
            )  # fmt: skip
            assert after <= max(before * GROWTH, before + SLACK), f"{name} grew from {before} to {after} bytes"
            assert fds_after <= fds + FDS, f"{name} had {fds} descriptors, then {fds_after}"
            assert samples.wal <= WAL
        ledger.note(seconds_of_talk=seconds, records=sum(run.heads().values()))
        print(ledger.facts)
        assert await run.agent.stop() == 0
        assert await run.relay.stop() == 0
        _nobody_died(run)


def _nobody_died(run: Line) -> None:
    for path in (run.agent.log_file, run.relay.log_file):
        said = path.read_text(errors="replace")
        for words in UNHEARD:
            assert words not in said, f"{path.name}: {said[max(0, said.index(words) - 500) :][:3000]}"


def test_growth_is_seen() -> None:
    """The test of the test: a leak of a per cent a minute and one descriptor a minute are growth."""
    leaking, steady = Samples(), Samples()
    for second in range(1800):
        leaking.memory.append(100_000_000 + second * 20_000)
        leaking.fds.append(30 + second // 60)
        steady.memory.append(100_000_000 + second % 7 * 100_000)
        steady.fds.append(30 + second % 3)
    before, after, fds, fds_after = leaking.settled()
    assert after > max(before * GROWTH, before + SLACK)
    assert fds_after > fds + FDS
    before, after, fds, fds_after = steady.settled()
    assert after <= before * GROWTH
    assert fds_after <= fds + FDS
