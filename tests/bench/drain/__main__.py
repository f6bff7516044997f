"""How fast a backlog leaves, and how fast one alarm does: `python -m tests.bench.drain [--json FILE]`.

The agent's end is its real store, cursors and outlet; the relay is its real process with SQLite, over mutual TLS on
127.0.0.1. A figure is void unless the relay holds, in order and byte for byte, what the log holds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.outlets import client as clients
from agent.outlets.client import RelayClient
from agent.outlets.peer import Peer
from agent.outlets.relay import RelayOutlet
from agent.rows import row
from agent.store.log import Log
from certs import profiles
from certs.identity import Identity
from rules import ids, wire
from rules.incidents import Entry
from tests.bench.drain.night import entries, mean_bytes
from tests.bench.ingest.contestants import slow_disk
from tests.integration.outlet_rig import Rig, rig, running
from tests.integration.relay_rig import TRUST_DOMAIN, Place, Running, outside

WANTED = {
    "records_per_s": 15_000,
    "times_one_a_request": 30,
    "wire_bytes_a_record": 100,
    "growth": 0.8,
    "alarm_p99_ms": 25,
}
_SLOWED = "NIGHTPORTER_BENCH_SLOWED"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Wire:
    """What `RelayClient.post_batch` handed over."""

    batches: int = 0
    began: float = 0.0
    sent: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass
class Site:
    """A gateway's store and the relay it drains into."""

    place: Place
    relay: Running

    def way(self, gateway: str) -> dict[str, Any]:
        """How a gateway of this name reaches the relay, with a certificate of its own."""
        identity = Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=gateway)
        directory = self.place.issue(f"identity-{gateway}", profiles.gateway(identity))
        return {"url": f"https://127.0.0.1:{self.relay._address('gateways').port}", "identity": directory}

    def relay_cpu(self) -> float:
        """CPU seconds of the relay's process so far."""
        assert self.relay.process is not None
        fields = Path(f"/proc/{self.relay.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def held(self, lane: str, epoch: str) -> list[bytes]:
        path = self.place.folder / "cloud-1-data" / "relay.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT record.data FROM record JOIN lane ON lane.id = record.lane"
                " WHERE lane.lane = ? AND lane.epoch = ? ORDER BY record.seq",
                (lane, epoch),
            )
            return [data for (data,) in rows]


@contextlib.asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    folder.mkdir(parents=True)
    place = Place.found(folder)
    async with outside(place) as relay:
        yield Site(place, relay)


async def fill(building: Rig, count: int, *, policy: str | None) -> None:
    """So many records into lane P0 of the log, committed and not yet told to those who follow it."""
    log = building.store.log
    waiting: list[Entry] = []

    async def write() -> None:
        async with building.store.database.transaction() as transaction:
            await log.append(transaction, [row(entry, is_input=False) for entry in waiting])
        log.committed()
        waiting.clear()

    for entry in entries(count, gateway=log.gateway, seed=log.gateway, policy=policy):
        waiting.append(entry)
        if len(waiting) == 20_000:
            await write()
    if waiting:
        await write()


@contextlib.contextmanager
def watched() -> Any:
    """Counts what the outlet hands over."""
    seen = Wire()
    real, ask = RelayClient.post_batch, RelayClient.request

    async def post(self: RelayClient, *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        seen.began = seen.began or began
        answer = await real(self, *args, **options)
        seen.batches += 1
        seen.seconds.append(time.perf_counter() - began)
        return answer

    async def request(self: RelayClient, method: str, target: str, **options: Any) -> Any:
        if method == "POST":
            seen.sent += len(options.get("content", b""))
        return await ask(self, method, target, **options)

    RelayClient.post_batch, RelayClient.request = post, request  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        RelayClient.post_batch, RelayClient.request = real, ask  # type: ignore[method-assign]


def outlet(building: Rig, at: Site) -> RelayOutlet:
    return building.outlet_with(name="cloud", probe=20.0, **at.way(building.store.log.gateway))


async def caught_up(log: Log, made: RelayOutlet) -> None:
    while made.state.behind or not made.state.reachable:
        await asyncio.sleep(0.002)


async def backlog(at: Site, folder: Path, count: int, *, policy: str | None = None) -> dict[str, Any]:
    """Drain `count` records with the outlet."""
    async with rig(folder, gateway=folder.name) as building:
        await fill(building, count, policy=policy)
        made = outlet(building, at)
        ours, theirs = time.process_time(), at.relay_cpu()
        with watched() as seen:
            async with running(made):
                await caught_up(building.store.log, made)
                took = time.perf_counter() - seen.began
        ours, theirs = time.process_time() - ours, at.relay_cpu() - theirs
        held = at.held("P0", building.store.epoch)
        if held != await building.held("P0"):
            raise SystemExit(f"void: the relay holds {len(held)} records, and not those of the log")
    return {
        "records": count,
        "records_per_s": count / took,
        "batches": seen.batches,
        "wire_bytes_a_record": seen.sent / count,
        "agent_cpu_us": ours / count * 1e6,
        "relay_cpu_us": theirs / count * 1e6,
        "batch_p50_ms": statistics.median(seen.seconds) * 1000,
    }


async def one_a_request(at: Site, folder: Path, count: int) -> dict[str, Any]:
    """The same records through the same relay, each in a request of its own, on one warm connection."""
    async with rig(folder, gateway=folder.name) as building:
        await fill(building, count, policy=None)
        log = building.store.log
        peer = Peer(name="cloud", **at.way(log.gateway))
        async with clients.connect(peer) as client:
            await client.watermarks(log.epoch)
            chain = wire.chain_start(log.gateway, log.epoch, "P0")
            ours, theirs, began = time.process_time(), at.relay_cpu(), time.perf_counter()
            for kept in await log.after("P0", 0, limit=count, max_bytes=1 << 40):
                header = wire.Header(gateway=log.gateway, epoch=log.epoch, lane="P0", first=kept.seq, prev=chain.hex())
                ack = await client.post_batch("P0", wire.write_batch(header, [kept.data]))
                chain = kept.chain
                if ack.chain != chain.hex():
                    raise SystemExit("void: the relay's chain is not ours")
            took = time.perf_counter() - began
    return {
        "records": count,
        "records_per_s": count / took,
        "agent_cpu_us": (time.process_time() - ours) / count * 1e6,
        "relay_cpu_us": (at.relay_cpu() - theirs) / count * 1e6,
    }


async def alarms(at: Site, folder: Path, count: int, *, every: float) -> dict[str, Any]:
    """One alarm at a time: from the moment it is decided to the relay's durable acknowledgement, our commit between."""
    took: list[float] = []
    async with rig(folder, gateway=folder.name) as building:
        made = outlet(building, at)
        async with running(made):
            await building.incident()
            await caught_up(building.store.log, made)
            follower, follower_log = made._lanes["P0"], building.store.log
            for _ in range(count):
                await asyncio.sleep(every)
                header = building.clock.header()
                entry = Entry(
                    **header,
                    kind="incident.opened",
                    incident=ids.derived(header["id"], "incident"),
                    lamport=1,
                    origin=follower_log.gateway,
                    by="After hours",
                    body={"title": "Server room door opened after hours", "severity": "high", "rule": "after-hours"},
                )
                began = time.perf_counter()
                await building.intake.decide(entry)
                until = building.store.log.head("P0").seq
                while follower.seq < until:
                    await asyncio.sleep(0.0002)
                took.append(time.perf_counter() - began)
    took.sort()
    return {
        "alarms": count,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[int(len(took) * 0.99) - 1] * 1000,
        "worst_ms": took[-1] * 1000,
    }


async def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"record_bytes": mean_bytes(), "disk_ms": chosen.disk}
    async with site(folder / "site") as at:
        figures["alarm"] = await alarms(at, folder / "alarms", chosen.alarms, every=0.05)
        figures["one_a_request"] = await one_a_request(at, folder / "one", chosen.single)
        figures["backlog"] = await backlog(at, folder / "backlog", chosen.records)
        figures["backlog_told"] = await backlog(at, folder / "told", chosen.records, policy="guards")
        if chosen.growth:
            small = [await backlog(at, folder / f"small-{n}", 1000) for n in range(9)]
            large = await backlog(at, folder / "large", chosen.growth)
            rate = statistics.median(each["records_per_s"] for each in small)
            figures["growth"] = {"small": rate, "large": large, "ratio": large["records_per_s"] / rate}
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drain", description=__doc__)
    parser.add_argument("--records", type=int, default=50_000, help="records of the backlog (default 50000)")
    parser.add_argument("--single", type=int, default=2_000, help="records sent one a request (default 2000)")
    parser.add_argument("--alarms", type=int, default=300, help="alarms sent one at a time (default 300)")
    parser.add_argument("--growth", type=int, default=0, metavar="ROWS", help="also drain an outbox of so many rows")
    parser.add_argument("--disk", type=int, default=0, metavar="MS", help="ms added to every fsync, at both ends")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    slowly = slow_disk(chosen.disk)
    if slowly and _SLOWED not in os.environ:  # this process has the agent's end, and the relay is its child
        os.environ[_SLOWED] = "1"
        os.execvp(slowly[0], [*slowly, sys.executable, "-m", "tests.bench.drain", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="np-drain-") as folder:
        figures = asyncio.run(measure(Path(folder), chosen))
    print(json.dumps(figures, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
