"""Each system call with which the agent's store touches the disk fails once, with "no space" and with "input/output
error": while it starts, and while it works through a scene of sixty messages. No file is spoilt, nothing is
acknowledged that is not kept, and the agent goes on, or ends as "try again" and starts again."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwlab import check
from hwlab.broker import Broker
from hwlab.instant import boot_now
from hwlab.journal import Journal
from hwlab.ports import free_port
from hwlab.tap import Tap
from tests.chaos import syscalls
from tests.chaos.building_rig import Building, building, judge
from tests.chaos.ledger import Ledger
from tests.chaos.syscalls import Fault
from tests.integration.agent_process import GATEWAY, USERS, Agent

MESSAGES = 60
TRY_AGAIN = 75
CARELESS = Path(__file__).with_name("careless_agent.py")


@pytest.fixture
def strace(peer: Callable[[str], str], capability: Callable[[str, bool], None]) -> str:
    found = peer("strace")
    capability("strace on another process (ptrace)", syscalls.may_trace(found))
    return found


@dataclass
class Scene:
    """An agent that works behind a tap, sensors, and what strace writes."""

    agent: Agent
    talking: Building
    trace: Path
    program: list[str] | None = None
    broker_repeats: bool = False

    async def play(self) -> None:
        """Sixty messages of two doors, as fast as the broker takes them."""
        for _ in range(MESSAGES // 4):
            await asyncio.gather(self.talking.door.open(), self.talking.hatch.open())
            await asyncio.gather(self.talking.door.close(), self.talking.hatch.close())

    async def heard(self, *, seconds: float = 30.0) -> None:
        """Wait until everything the broker has taken is in the log."""
        sent = {name: set(self.talking.acknowledged(name)) for name in ("door", "hatch")}
        await self.agent.until(
            lambda: all(numbers <= set(self.agent.heard(name)) for name, numbers in sent.items()), seconds=seconds
        )

    @property
    def files(self) -> list[Path]:
        return syscalls.files_of(self.agent.folder / "data")


@contextlib.asynccontextmanager
async def scene(folder: Path, program: list[str] | None = None) -> AsyncIterator[Scene]:
    """The agent first: before it has subscribed, a broker keeps nothing for it."""
    journal = Journal(path=folder / "journal.jsonl")
    journal.open()
    async with Broker(directory=folder / "broker", users=USERS) as broker:
        tap = Tap(port=free_port(), broker=broker.port, journal=journal)
        passing = asyncio.create_task(tap.run(), name="tap")
        agent = Agent(folder=folder / "agent", port=tap.port)
        try:
            await agent.start(program=program)
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            async with building(folder, broker) as talking:
                yield Scene(agent, talking, folder / "strace.txt", program, broker.kind == "nats")
        finally:
            if agent.pid is not None:
                await agent.kill()
            passing.cancel()
            await asyncio.wait([passing])
            journal.close()


def taken(made: Scene, until: int) -> check.Report:
    """Whether everything the agent acknowledged by then is in its log."""
    report = check.Report()
    check.check_taken(report, made.talking.journal, check.read_agent(made.agent.database), until=until)
    return report


async def count(made: Scene, strace: str) -> Counter[str]:
    """The same scene with nothing failing: which calls it makes."""
    assert made.agent.pid is not None
    async with syscalls.failing(strace, made.agent.pid, made.files, None, made.trace):
        await made.play()
        await made.heard()
    return syscalls.counted(made.trace)


async def suffer(
    made: Scene, strace: str, fault: Fault, ledger: Ledger, *, dies: bool | None = None, seconds: float = 30.0
) -> list[str]:
    """Play the scene with this fault; sometimes (`dies`: surely) the process is killed in the midst of it. What was
    wrong."""
    pid = made.agent.pid
    assert pid is not None
    dies = ledger.chance.random() < 0.25 if dies is None else dies
    problems: list[str] = []
    async with syscalls.failing(strace, pid, made.files, fault, made.trace):
        playing = asyncio.create_task(made.play(), name="play")
        if dies:
            await asyncio.sleep(ledger.chance.uniform(0.05, 0.8))
            until = boot_now()
            await made.agent.kill()
            made.talking.died()
            ledger.count("kills")
            problems += [str(one) for one in taken(made, until).violations]
            await made.agent.start(program=made.program)
        await playing
    ledger.count("injected faults", syscalls.injected(made.trace))
    ledger.count("calls looked at")
    if made.agent.pid is None:
        status = made.agent.child().returncode
        made.talking.died()
        ledger.count(f"ended with {status}")
        if status != TRY_AGAIN:
            problems.append(f"it ended with {status}:\n{made.agent.tail()}")
        await made.agent.start(program=made.program)
    try:
        await made.heard(seconds=seconds)
    except AssertionError as error:
        problems.append(str(error))
    return [f"{fault}: {text}" for text in problems]


@pytest.mark.timeout(7200)
async def test_each_call_fails_once_while_it_works(
    tmp_path: Path, ledger: Ledger, strace: str, pick: Callable[..., int]
) -> None:
    async with scene(tmp_path) as made:
        calls = await count(made, strace)
        total = sum(calls.values())
        assert calls["pwrite64"] > 30 and calls["fdatasync"] > 1, calls  # a busy machine gathers more in a commit
        step = pick(quick=max(1, total // 4), ci=10, long=1)
        faults = syscalls.every(calls, step, first=ledger.chance.randint(1, min(step, total)))
        ledger.note(calls=dict(calls))
        problems: list[str] = []
        for fault in faults:
            problems += await suffer(made, strace, fault, ledger)
        await made.heard()
        await asyncio.sleep(2.5)  # NATS sends again what was not acknowledged after two seconds
        assert await made.agent.stop() == 0
        report = judge(made.agent, made.talking, broker_repeats=made.broker_repeats)
        report.looks_for("the file is whole")
        for text in problems:
            report.add("nothing acknowledged is lost", "the running agent", text)
        ledger.judged(report)
        assert report.ok, f"CHAOS_SEED={ledger.seed}\n{report}"
        assert ledger.counts["injected faults"] >= len(faults) // 4, "hardly a call was made to fail"


@pytest.mark.timeout(300)
async def test_an_agent_that_acknowledges_early_is_found_out(tmp_path: Path, ledger: Ledger, strace: str) -> None:
    """The test of the test: messages are acknowledged as they arrive, the disk fails, and the agent dies."""
    ledger.fails_without("acknowledging after the commit")
    async with scene(tmp_path, [sys.executable, str(CARELESS), "early", "run"]) as made:
        for number in range(1, 11):
            problems = await suffer(
                made, strace, Fault("fdatasync", 1 + number % 3, "EIO"), ledger, dies=True, seconds=3
            )
            if any("the agent acknowledged it, its log has it not" in text for text in problems):
                ledger.harm("lost", len(problems))
                return
    raise AssertionError("ten deaths on a failing disk, and nobody noticed that acknowledged messages were lost")


def rows(data: Path) -> list[tuple[str, bytes]]:
    with contextlib.closing(sqlite3.connect(f"file:{data / 'log.db'}?mode=ro", uri=True)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return store.execute("SELECT id, bytes FROM log ORDER BY pos").fetchall()


@pytest.mark.timeout(7200)
async def test_each_call_fails_once_while_it_starts(
    tmp_path: Path, ledger: Ledger, strace: str, pick: Callable[..., int]
) -> None:
    """The store was killed and has a WAL to take over. It starts all the same, or ends as "try again" and then starts;
    and it has all it had."""
    async with scene(tmp_path) as made:
        await made.play()
        await made.heard()
        await made.agent.kill()
    agent, kept = made.agent, tmp_path / "kept"
    shutil.copytree(agent.folder / "data", kept)
    before = rows(tmp_path / "kept")
    shutil.rmtree(kept)  # the look at it has taken the WAL over
    shutil.copytree(agent.folder / "data", kept)

    async def start(fault: Fault | None) -> int | None:
        shutil.rmtree(agent.folder / "data")
        shutil.copytree(kept, agent.folder / "data")
        made.trace.unlink(missing_ok=True)
        program = [*syscalls.words(strace, made.trace, made.files, fault), sys.executable, "-m", "nightporter"]
        with contextlib.suppress(AssertionError):  # it may end before it is ready
            await agent.start(program=[*program, "agent", "run"])
        if agent.pid is not None:
            await agent.stop()
        return agent.child().returncode

    assert await start(None) == 0, agent.tail()
    calls = syscalls.counted(made.trace)
    ledger.note(calls=dict(calls))
    step = pick(quick=max(1, sum(calls.values()) // 2), ci=10, long=1)
    for fault in syscalls.every(calls, step, first=ledger.chance.randint(1, min(step, sum(calls.values())))):
        status = await start(fault)
        ledger.count("injected faults", syscalls.injected(made.trace))
        ledger.count("calls looked at")
        ledger.count(f"ended with {status}")
        tail = agent.tail()
        assert status in (0, TRY_AGAIN), f"CHAOS_SEED={ledger.seed} {fault}: it ended with {status}:\n{tail}"
        await agent.start()
        assert await agent.stop() == 0
        after = rows(agent.folder / "data")
        ledger.harm("lost", int(after[: len(before)] != before))
        assert after[: len(before)] == before, f"CHAOS_SEED={ledger.seed} {fault}: the log is another one"
        report = check.check(gateway=GATEWAY, agent=agent.database)
        assert ledger.judged(report).ok, f"{fault}\n{report}"
