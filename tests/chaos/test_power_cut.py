"""Power cuts of the whole line while it works: agent and relay on one disk, sensors and duty desk outside. What was
acknowledged before the cut is there after it, every file can be opened, and what the log names as kept is whole."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hwlab import check
from hwlab.drill.line import Line
from hwlab.drill.settings import GATEWAY
from hwlab.errors import LabError
from hwlab.instant import boot_now
from tests.chaos import power
from tests.chaos.ledger import Ledger
from tests.chaos.test_kill_media import footage

CARELESS = Path(__file__).with_name("careless_agent.py")
HASTY = Path(__file__).with_name("hasty_relay.py")


@pytest.fixture
def disk(
    tmp_path: Path, pick: Callable[..., int], peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> Iterator[power.Disk]:
    capability("loop devices and btrfs (root)", power.possible())
    peer("mkfs.btrfs")
    with power.disk(tmp_path / "d", megabytes=pick(quick=192, long=1024)) as made:
        yield made


@asynccontextmanager
async def line(folder: Path, disk: power.Disk, **options: object) -> AsyncIterator[Line]:
    """The line, with the data of agent and cloud relay on the disk; it talks as fast as it can."""
    base = folder / "l"
    for name in ("agent", "cloud"):
        (base / name).mkdir(parents=True)
        (disk.path / name).mkdir()
        (base / name / "data").symlink_to(disk.path / name)
    if options.get("camera"):
        (disk.path / "media").mkdir()
        (base / "agent" / "media").symlink_to(disk.path / "media")
    async with Line(directory=base, tls=False, tap=True, pace=0.01, **options) as made:  # type: ignore[arg-type]
        made.talking.set()
        await made.until(lambda: check.read_acked(made.agent_store, "cloud"), what="the first acknowledgement")
        yield made


def judge(run: Line, after: Path, until: int) -> check.Report:
    """What the clone must hold of what was acknowledged by then; both stores are opened as their owners would."""
    agent, relay = after / "agent" / "log.db", after / "cloud" / "relay.db"
    report = check.check(gateway=GATEWAY, agent=agent, relay=relay, acked=check.read_acked(agent, "cloud"))
    check.check_whole(report, agent, relay)
    check.check_taken(report, run.journal, check.read_agent(agent), until=until)
    check.check_told(report, relay, gateway=GATEWAY, journal=run.journal, settled=False, until=until)
    if run.with_camera:
        check.check_media(
            report, agent=agent, media=after / "media", relay=relay,
            blobs=after / "cloud" / "blobs" / "drill", outlet="cloud", loose=True,
        )  # fmt: skip
    return report


def merge(into: check.Report, report: check.Report, cut: int) -> None:
    """Add up the reports of many cuts: their violations, and of their counts the newest."""
    into.looked_for |= report.looked_for
    into.counted.update(report.counted)
    into.violations += [
        check.Violation(one.invariant, f"cut {cut}, {one.where}", one.text) for one in report.violations
    ]


def torn(agent: Path, ledger: Ledger) -> list[str]:
    """Spoil the end of the clone's WAL: what can be read then is the log up to some commit, and nothing else."""
    with closing(sqlite3.connect(f"file:{agent}?mode=ro", uri=True)) as store:
        whole = store.execute("SELECT id, chain FROM log ORDER BY pos").fetchall()
    wal = agent.with_name(agent.name + "-wal")
    if not wal.exists() or not wal.stat().st_size:
        return []
    copy = agent.parent / "torn"
    copy.mkdir()
    shutil.copy(agent, copy / agent.name)
    shutil.copy(wal, copy / wal.name)
    power.tear(copy / wal.name, ledger.chance)
    ledger.count("torn writes")
    with closing(sqlite3.connect(copy / agent.name)) as store:
        (said,) = store.execute("PRAGMA integrity_check").fetchone()
        left = store.execute("SELECT id, chain FROM log ORDER BY pos").fetchall()
    shutil.rmtree(copy)
    problems = [] if said == "ok" else [f"integrity_check says {said}"]
    if left != whole[: len(left)]:
        problems.append(f"{len(left)} rows can be read, and they are not the first of {len(whole)}")
    ledger.harm("corrupt", len(problems))
    return problems


async def cuts(run: Line, disk: power.Disk, ledger: Ledger, number: int) -> check.Report:
    total, problems = check.Report(seed=ledger.seed), []
    for cut in range(number):
        await asyncio.sleep(ledger.chance.uniform(0.01, 0.3))
        until = boot_now()
        with disk.cut() as after:
            ledger.count("cuts")
            try:
                merge(total, await asyncio.to_thread(judge, run, after, until), cut)
            except LabError as error:  # everything in it was acknowledged, and it cannot even be opened
                total.add("acknowledged is kept", f"cut {cut}", str(error))
                continue
            problems += [
                f"cut {cut}: {text}" for text in await asyncio.to_thread(torn, after / "agent" / "log.db", ledger)
            ]
    for text in problems:
        total.add("the file is whole", "log.db-wal", text)
    return ledger.judged(total)


@pytest.mark.timeout(3600)
async def test_power_cuts(tmp_path: Path, disk: power.Disk, ledger: Ledger, pick: Callable[..., int]) -> None:
    async with line(tmp_path, disk) as run:
        report = await cuts(run, disk, ledger, pick(quick=6, ci=30, long=400))
        assert report.ok, str(report)
        assert report.counted["messages the agent acknowledged"] > 20
        with disk.cut() as after:
            await begins_again(run, after, tmp_path)


async def begins_again(run: Line, after: Path, folder: Path) -> None:
    """The real commands start on what the cut has left, and stop in good order."""
    for name in ("agent", "cloud"):
        await run.processes[name].kill()
        link = folder / "l" / name / "data"
        link.unlink()
        link.symlink_to(after / name)
        await run.processes[name].start()
    assert await run.settled()
    assert await run.stop() == []
    report = run.judge()
    # The desk and the sensors go back to before the cut: only they know of what came after it.
    assert [one for one in report.violations if one.harm == "corrupt"] == [], str(report)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("who", "program"),
    [
        ("agent", (sys.executable, str(CARELESS), "unsynced")),
        ("cloud", (sys.executable, str(HASTY), "unsynced")),
    ],
    ids=["agent", "relay"],
)
async def test_without_fsync_a_power_cut_is_found_out(
    tmp_path: Path, disk: power.Disk, ledger: Ledger, effort: str, who: str, program: tuple[str, ...]
) -> None:
    """The test of the test: `synchronous=FULL` is off at one of them, and a few cuts show what that loses."""
    if effort == "quick" and who == "cloud":
        pytest.skip("the relay has its turn with EFFORT=ci")
    ledger.fails_without(f"synchronous=FULL at the {who}")
    async with line(tmp_path, disk, programs={who: program}) as run:
        power.settle(disk.path)  # what was written until now is there; it is about what comes next
        report = check.Report()
        for _ in range(20):
            report = await cuts(run, disk, ledger, 1)
            if "lost" in {violation.harm for violation in report.violations}:
                return
    raise AssertionError(f"twenty cuts and nothing was lost: the cutter cuts nothing\n{report}")


@pytest.mark.timeout(3600)
async def test_power_cuts_while_footage_is_made(
    tmp_path: Path, disk: power.Disk, ledger: Ledger, effort: str, pick: Callable[..., int]
) -> None:
    """What the log names as kept, and what a relay is said to hold, is whole after the cut."""
    if effort == "quick":
        pytest.skip("footage has its turn with EFFORT=ci")
    async with line(tmp_path, disk, camera=True) as run:
        await footage(run)
        run.pace = 1.0
        await asyncio.sleep(4)
        report = await cuts(run, disk, ledger, pick(quick=0, ci=10, long=100))
        assert report.ok, str(report)
        assert report.counted["agent blobs hashed"] > 5
