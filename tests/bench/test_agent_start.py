"""How long the alarm core takes from exec to READY=1, and how much memory it then holds: figures, not verdicts."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Callable
from pathlib import Path

from hwlab.broker import Broker
from tests.integration.agent_process import USERS, Agent


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no VmRSS")


async def test_start_of_the_alarm_core(tmp_path: Path, pick: Callable[..., int]) -> None:
    """A broker that answers, a site of four devices; the first start, which compiles byte code, is left out."""
    ready: list[float] = []
    memory: list[float] = []
    async with Broker(directory=tmp_path / "broker", users=USERS) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        for number in range(pick(quick=5, ci=20) + 1):
            took = await agent.start()
            await asyncio.sleep(1.0)  # the broker's connection and the first commit belong to what it holds
            assert agent.pid is not None
            if number:
                ready.append(took * 1000)
                memory.append(resident(agent.pid))
            assert await agent.stop() == 0
    print(
        f"\nalarm core: READY=1 after {statistics.median(ready):.0f} ms (worst {max(ready):.0f}, {len(ready)} starts); "
        f"resident {statistics.median(memory):.1f} MiB; load of the machine {os.getloadavg()[0]:.1f}"
    )
