"""Durable ingest beside the plain pipeline: `python -m tests.bench.ingest [--events N] [--pairs N] [--json FILE]`.

Both take the same messages from the same real broker in one run, by turns. Speed is CPU of the process an event, and
events a second of wall time while the publisher sends as fast as the broker takes it. A figure is void unless rows =
acknowledged = published.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwlab.broker import Broker
from tests.bench.ingest.contestants import Contestant, Ours, Plain
from tests.integration.agent_process import USERS

DEVICES, RULES = 400, 100
WANTED = {"cpu_ratio": 0.4, "events_per_s_at_4_ms": 8_000}


async def _publish(port: int, *, events: int, rate: float) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.ingest.publisher", "--port", str(port), "--user", "sensor",
        "--devices", str(DEVICES), "--events", str(events), "--rate", str(rate),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(f"{USERS['sensor']}\n".encode())
    return int(json.loads(out)["acked"])


async def _one(make: Callable[[Path, int], Contestant], folder: Path, *, events: int) -> dict[str, Any]:
    """One contestant's turn: µs of CPU an event, and events a second until the last is in its store."""
    async with Broker(directory=folder / "broker", users=USERS, save_each=False) as broker:
        contestant = make(folder / "it", broker.port)
        await contestant.start()
        try:
            before, cpu, began = contestant.rows(), contestant.cpu(), time.monotonic()
            publishing = asyncio.create_task(_publish(broker.port, events=events, rate=0), name="publisher")
            patience = began + 600
            while contestant.rows() - before < events and time.monotonic() < patience:
                await asyncio.sleep(0.2)
            wall = time.monotonic() - began
            acked = await publishing
            await asyncio.sleep(1.0)
            rows, used = contestant.rows() - before, contestant.cpu() - cpu
        finally:
            await contestant.stop()
    void = "" if rows == acked == events else f"void: {events} published, {acked} acknowledged, {rows} rows"
    return {
        "name": contestant.name, "events": events, "cpu_us": used / events * 1e6, "per_s": events / wall, "void": void,
    }  # fmt: skip


async def _pairs(folder: Path, *, disk: int, pairs: int, ours: int, plain: int) -> dict[str, Any]:
    turns: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    for turn in range(pairs):
        for who, events in (("ours", ours), ("plain", plain)):

            def make(where: Path, port: int, who: str = who) -> Contestant:
                if who == "ours":
                    return Ours(folder=where, port=port, disk=disk, devices=DEVICES, rules=RULES)
                return Plain(folder=where, port=port, disk=disk, rules=RULES)

            found = await _one(make, folder / f"{disk}-{who}-{turn}", events=events)
            turns[who].append(found)
            figures = f"{found['cpu_us']:8.1f} µs/event {found['per_s']:10,.0f} events/s"
            print(f"  +{disk} ms  {found['name']:16} {figures}  {found['void']}", flush=True)
    medians = {
        who: {key: statistics.median(one[key] for one in found) for key in ("cpu_us", "per_s")}
        for who, found in turns.items()
    }
    ratio = medians["ours"]["cpu_us"] / medians["plain"]["cpu_us"]
    void = [one["void"] for found in turns.values() for one in found if one["void"]]
    return {"disk_ms": disk, **medians, "cpu_ratio": round(ratio, 3), "void": void, "turns": turns}


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"devices": DEVICES, "rules": RULES, "wanted": WANTED, "disks": []}
    with tempfile.TemporaryDirectory(prefix="np-bench-") as name:
        for disk in arguments.disks:
            plain = arguments.events // 5 if not disk else max(300, 1200 // disk)
            found = await _pairs(Path(name), disk=disk, pairs=arguments.pairs, ours=arguments.events, plain=plain)
            figures["disks"].append(found)
            us, peer = found["ours"], found["plain"]
            print(
                f"+{disk} ms an fsync: {us['cpu_us']:.1f} µs an event against {peer['cpu_us']:.1f} "
                f"({found['cpu_ratio']:.2f} x); {us['per_s']:,.0f} events/s against {peer['per_s']:,.0f}"
                f"{'; VOID' if found['void'] else ''}"
            )
    figures["load"] = os.getloadavg()[0]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--disks", type=int, nargs="*", default=[0, 4, 15], help="ms added to every fsync")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = asyncio.run(_run(arguments))
    print(f"wanted: CPU at most {WANTED['cpu_ratio']} x; at +4 ms at least {WANTED['events_per_s_at_4_ms']:,} events/s")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
