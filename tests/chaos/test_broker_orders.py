"""Broker, agent and sensors stop and start in every order, and the checker counts: nothing lost, nothing twice.

Mosquitto is killed, after the second its session file may be old by: what is younger dies with it, between the sensor
and the broker. NATS, which is for the lab only, is stopped in good order: killed, it forgets what we acknowledged and
sends it again under new numbers. What overflows at a broker cannot be seen here: the numbers (`n`) of a sensor show it,
and no part of the agent looks at them yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from hwlab.broker import Broker
from tests.chaos.building_rig import Building, building, judge
from tests.chaos.ledger import Ledger
from tests.integration.agent_process import USERS, Agent

ORDERS = [*itertools.permutations(("agent", "broker", "sensor"))]


class Stage:
    """What is on, and how it goes off and on."""

    def __init__(self, broker: Broker, agent: Agent, talking: Building) -> None:
        self.broker = broker
        self.agent = agent
        self.talking = talking
        self.away: set[str] = set()

    async def off(self, what: str) -> None:
        if what == "agent":
            await self.agent.kill()
            self.talking.died()
        elif what == "broker":
            self.talking.talking.clear()  # a sensor of the rig gives up when it cannot speak
            if self.broker.kind == "mosquitto":
                await asyncio.sleep(1.5)
                await self.broker.kill()
            else:
                await asyncio.sleep(0.2)
                await self.broker.stop()
        else:
            self.talking.talking.clear()
        self.away.add(what)

    async def on(self, what: str) -> None:
        if what == "agent":
            await self.agent.start()
        elif what == "broker":
            await self.broker.restart()
            for device in (self.talking.door, self.talking.hatch, self.talking.heat, self.talking.siren):
                await device.connected()
        self.away.discard(what)
        if not self.away & {"broker", "sensor"}:
            self.talking.talking.set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_every_order(
    tmp_path: Path, kind: str, ledger: Ledger, effort: str, pick: Callable[..., int], peer: Callable[[str], str]
) -> None:
    if kind == "mosquitto":
        peer("mosquitto")
    elif effort != "long":
        pytest.skip(
            "NATS, for the lab only, now and then repeats what it was told to forget: its turn is with EFFORT=long"
        )
    orders = ORDERS if effort != "quick" else [ORDERS[0], ORDERS[-1]]
    async with Broker(
        directory=tmp_path / "broker", users=USERS, kind="nats" if kind == "nats" else "mosquitto"
    ) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        try:
            async with building(tmp_path, broker) as talking:
                stage = Stage(broker, agent, talking)
                talking.talking.set()
                await asyncio.sleep(0.5)
                for order in orders * pick(quick=1, ci=2, long=20):
                    for what in order:
                        await stage.off(what)
                        await asyncio.sleep(ledger.chance.uniform(0, 0.3))
                    for what in ledger.chance.sample(order, 3):
                        await stage.on(what)
                        await asyncio.sleep(ledger.chance.uniform(0, 0.3))
                    ledger.count("orders")
                    await asyncio.sleep(0.5)
                talking.talking.clear()
                await asyncio.sleep(0.5)
                with contextlib.suppress(AssertionError):  # the checker says more about what is missing
                    await agent.until(
                        lambda: all(
                            set(talking.acknowledged(device)) <= set(agent.heard(device))
                            for device in ("door", "hatch")
                        ),
                        seconds=45,
                    )
                await asyncio.sleep(2.5)
                assert await agent.stop() == 0
                # What NATS sends again under a new number is logged as a repeat; Mosquitto does not do that.
                report = ledger.judged(judge(agent, talking, broker_repeats=kind == "nats"))
                assert report.ok, f"CHAOS_SEED={ledger.seed}\n{report}"
                assert report.counted["sensor messages acked"] > 10 * len(orders)
        finally:
            await agent.kill()
