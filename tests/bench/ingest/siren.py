"""From a contact to the siren's command, over a real broker: `python -m tests.bench.ingest.siren [--json FILE]`.

Measured where the building measures it: from the moment the contact publishes to the moment the command arrives at
the siren, both on connections of their own, with the agent idle, at 1,000 events a second, on a disk whose every fsync
takes 4 ms longer, and beside a media worker that watches four cameras.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hwlab.broker import Broker
from hwlab.cameras import Cameras, CameraSpec
from hwlab.child import Child
from hwlab.journal import Journal
from hwlab.link import Account
from hwlab.sensors import Contact, Siren
from tests.bench.ingest.contestants import Ours, count
from tests.integration.agent_process import USERS

WANTED = {"p50_ms": 2.0, "p99_ms": 8.0, "never_ms": 40.0}
DEVICES, RULES, CAMERAS = 400, 100, 4


async def _alarms(contact: Contact, siren: Siren, *, times: int, pause: float) -> list[float]:
    """Milliseconds of each alarm. The siren's rule ends by itself after a second; each opening commands it anew."""
    taken = []
    for _ in range(times):
        await contact.close()
        before = len(siren.commands)
        opened = (await contact.open()).sent.boot
        orders = await siren.commanded(before + 1)
        taken.append((orders[before][0] - opened) / 1000)
        await asyncio.sleep(pause)
        while orders[-1][1] != "OFF":  # the level ends before the next alarm begins it again
            orders = await siren.commanded(len(orders) + 1)
    return taken


@contextlib.asynccontextmanager
async def _background(port: int, *, rate: int) -> AsyncIterator[None]:
    """`rate` events a second from other contacts, for as long as the block lasts."""
    if not rate:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.ingest.publisher", "--port", str(port), "--user", "sensor",
        "--devices", str(DEVICES), "--events", str(10**9), "--rate", str(rate), stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(f"{USERS['sensor']}\n".encode())
    process.stdin.close()
    try:
        await asyncio.sleep(2)
        yield
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _recording(folder: Path, agent: Ours, journal: Journal, *, cameras: int) -> AsyncIterator[str]:
    """A media worker that watches so many lab cameras; yields what the site document needs for them."""
    specs = [CameraSpec(name=f"cam-{number}", height=720, fps=15) for number in range(cameras)]
    passwords = {spec.name: f"password-of-{spec.name}" for spec in specs}
    async with Cameras(specs=specs, passwords=passwords, directory=folder, journal=journal) as watched:
        lines = []
        for spec in specs:
            camera = watched[spec.name]
            secret = agent.folder / "secrets" / spec.name
            secret.touch(mode=0o600)
            secret.write_text(passwords[spec.name])
            lines.append(
                f"  - {{id: {spec.name}, type: camera, "
                f'rtsp: {{url: "{camera.url}", user: {camera.user}, password: {{secret: {spec.name}}}}}}}'
            )
        yield "\n".join(lines)


async def measure(*, disk: int, rate: int, cameras: int, times: int) -> dict[str, Any]:
    """One condition."""
    with tempfile.TemporaryDirectory(prefix="np-siren-") as name:
        folder = Path(name)
        journal = Journal(path=folder / "journal.jsonl")
        journal.open()
        async with contextlib.AsyncExitStack() as stack:
            broker = await stack.enter_async_context(Broker(directory=folder / "broker", users=USERS, save_each=False))
            ours = Ours(folder=folder / "it", port=broker.port, disk=disk, devices=DEVICES, rules=RULES)
            if cameras:
                lines = await stack.enter_async_context(_recording(folder, ours, journal, cameras=cameras))
                staged = folder / "it" / "data" / "site.next"
                waiting = json.loads(staged.read_text())
                waiting["text"] = waiting["text"].replace("devices:\n", f"devices:\n{lines}\n", 1)
                staged.write_text(json.dumps(waiting))
            await ours.start()
            worker = None
            if cameras:
                words = [sys.executable, "-m", "nightporter", "agent", "media", "--config"]
                worker = Child(
                    name="media",
                    argv=[*words, str(folder / "it" / "agent.yaml")],
                    log_file=folder / "media.log",
                    nice=10,  # as its unit makes it
                )
                await worker.start()
                await ours.agent.until(
                    lambda: len(ours.agent.records("camera.restored")) >= cameras, seconds=40, what="the cameras"
                )
            account = Account(host=broker.host, port=broker.port, user="sensor", password=USERS["sensor"])
            contact = Contact(name="door", account=account, journal=journal)
            siren = Siren(name="siren", account=account, journal=journal)
            tasks = [asyncio.create_task(one.run(), name=one.name) for one in (contact, siren)]
            try:
                await contact.connected()
                await siren.connected()
                async with _background(broker.port, rate=rate):
                    taken = await _alarms(contact, siren, times=times, pause=0.2)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await ours.stop()
                if worker is not None:
                    await worker.stop()
            heard = count(ours.agent.database, "SELECT count(*) FROM log WHERE kind = 'effect.commanded'")
    taken.sort()
    void = "" if heard >= times else f"void: {times} alarms, {heard} commands in the log"
    return {
        "disk_ms": disk, "rate": rate, "cameras": cameras, "alarms": times, "void": void,
        "p50_ms": round(statistics.median(taken), 2), "p99_ms": round(taken[int(len(taken) * 0.99)], 2),
        "most_ms": round(taken[-1], 2),
    }  # fmt: skip


CONDITIONS = (
    ("idle", 0, 0, 0),
    ("1,000 events/s", 0, 1000, 0),
    ("+4 ms an fsync", 4, 0, 0),
    ("+4 ms, 1,000 events/s", 4, 1000, 0),
    ("beside 4 cameras", 0, 0, CAMERAS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"wanted": WANTED, "conditions": {}}
    print(f"{'contact -> siren, ms':24}{'p50':>8}{'p99':>8}{'most':>8}")
    for name, disk, rate, cameras in CONDITIONS:
        found = asyncio.run(measure(disk=disk, rate=rate, cameras=cameras, times=arguments.alarms))
        figures["conditions"][name] = found
        line = f"{name:24}{found['p50_ms']:8.2f}{found['p99_ms']:8.2f}{found['most_ms']:8.2f}  {found['void']}"
        print(line, flush=True)
    figures["load"] = os.getloadavg()[0]
    print(f"wanted: p50 at most {WANTED['p50_ms']}, p99 at most {WANTED['p99_ms']}, never {WANTED['never_ms']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
