"""How long the alarm core takes from exec to READY=1, and how much memory it then holds.

    python -m tests.bench.bench_agent_start [RUNS]

Figures, not a test: medians over RUNS (default 10) starts with a broker that answers and a site of four
devices.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from hwlab.broker import Broker
from tests.integration.agent_process import USERS, Agent


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no VmRSS")


async def measure(runs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="np-bench-") as name:
        folder = Path(name)
        async with Broker(directory=folder / "broker", users=USERS, kind="auto") as broker:
            agent = Agent(folder=folder / "agent", port=broker.port)
            ready: list[float] = []
            memory: list[float] = []
            for number in range(runs + 1):
                took = await agent.start()
                await asyncio.sleep(1.0)  # the broker's connection and the first commit belong to what it holds
                assert agent.pid is not None
                if number:  # the first one compiles byte code and makes the log
                    ready.append(took * 1000)
                    memory.append(resident(agent.pid))
                await agent.stop()
    return {
        "runs": runs,
        "ready_ms_median": round(statistics.median(ready)),
        "ready_ms_max": round(max(ready)),
        "rss_mib_median": round(statistics.median(memory), 1),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10)), indent=2))
