"""kill -9 of the alarm core, at each place where a crash could tell a lie and at random instants, while a building
talks. Afterwards nothing that the broker accepted is lost, nothing is twice, and every incident has the id it had."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.failpoints import NAMES
from hwlab.broker import Broker
from tests.chaos.building_rig import Building, building, judge
from tests.chaos.ledger import Ledger
from tests.integration.agent_process import USERS, Agent

CARELESS = Path(__file__).with_name("careless_agent.py")
# The others are reached where their work is done: see test_failpoints.py.
PLACES = [name for name in NAMES if name.startswith(("pipeline.", "store."))]


@contextlib.asynccontextmanager
async def scene(folder: Path, kind: str) -> AsyncIterator[tuple[Agent, Building]]:
    """A broker, a building that talks, and an agent that has been there before, so that the broker has its session."""
    async with Broker(
        directory=folder / "broker", users=USERS, kind="nats" if kind == "nats" else "mosquitto"
    ) as broker:
        agent = Agent(folder=folder / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        assert await agent.stop() == 0
        async with building(folder, broker) as talking:
            yield agent, talking
        if agent.pid is not None:
            await agent.kill()


async def settle(agent: Agent, talking: Building) -> None:
    """Let it live, wait until all that was sent is there, and stop it in good order."""
    await agent.start()
    talking.talking.clear()
    await asyncio.sleep(0.3)  # whatever is on its way to the broker gets there
    sent = {device: set(talking.acknowledged(device)) for device in ("door", "hatch")}
    with contextlib.suppress(AssertionError):  # the checker says more about what is missing
        await agent.until(lambda: all(numbers <= set(agent.heard(device)) for device, numbers in sent.items()))
    await asyncio.sleep(2.5)  # NATS sends again what was not acknowledged after two seconds
    assert await agent.stop() == 0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_kills(
    tmp_path: Path, ledger: Ledger, kind: str, effort: str, pick: Callable[..., int], peer: Callable[[str], str]
) -> None:
    if kind == "mosquitto":
        if effort == "quick":
            pytest.skip("the second broker has its turn with EFFORT=ci")
        peer("mosquitto")
    chance = ledger.chance
    kills = pick(quick=12, ci=30, long=300)
    plan = [f"{name}:{times}" for name in PLACES for times in (1, 2, chance.randint(3, 12))][: kills // 2]
    plan += [""] * (kills - len(plan))
    chance.shuffle(plan)
    async with scene(tmp_path, kind) as (agent, talking):
        talking.talking.set()
        for failpoint in plan:
            await agent.start(failpoint=failpoint)
            if failpoint:
                await agent.died()
            else:
                await asyncio.sleep(chance.uniform(0, 0.8))
                await agent.kill()
            talking.died()
            ledger.count("kills")
            if chance.random() < 0.3:
                await asyncio.sleep(chance.uniform(0, 0.5))  # the building goes on without it
        await settle(agent, talking)
        report = ledger.judged(judge(agent, talking))
        print(report)
        assert report.ok, f"CHAOS_SEED={ledger.seed}\n{report}"
        assert report.counted["sensor messages acked"] > 10 * kills
        assert len(agent.records("boot")) > kills // 2, "not every start got as far as its first commit"
        assert len(agent.records("incident.opened")) > kills


@pytest.mark.parametrize(
    ("safeguard", "failpoint", "broken"),
    [
        ("early", "store.before_commit", "nothing acknowledged is lost"),
        ("forgetful", "store.after_commit_before_ack", "nothing is twice"),
    ],
)
async def test_without_its_safeguard_it_fails(
    tmp_path: Path, ledger: Ledger, safeguard: str, failpoint: str, broken: str
) -> None:
    """The test of the test: the same kills, an agent without the one safeguard against them, and the checker sees it.
    Not each kill meets a message at that place; one of several does."""
    ledger.fails_without({"early": "acknowledging after the commit", "forgetful": "receipts"}[safeguard])
    async with scene(tmp_path, "nats") as (agent, talking):
        talking.talking.set()
        program = [sys.executable, str(CARELESS), safeguard, "run"]
        for times in (3, 4, 5, 6, 7):
            await agent.start(failpoint=f"{failpoint}:{times}", program=program)
            await agent.died()
            talking.died()
            ledger.count("kills")
        talking.talking.clear()
        await agent.start(program=program)
        await asyncio.sleep(4)  # time for everything that will ever come again
        assert await agent.stop() == 0
        report = ledger.judged(judge(agent, talking))
        assert {violation.invariant for violation in report.violations} == {broken}, str(report)
