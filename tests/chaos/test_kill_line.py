"""kill -9 along the whole line, agent and relay, at each place where a crash could tell a lie and at random instants.
Afterwards what the sensors said is at the agent, at the relay and, of each incident, at the duty desk: once, in order,
with the same bytes."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import agent.failpoints
import relay.failpoints
from hwlab.drill.line import Line
from tests.chaos.ledger import Ledger

CARELESS = Path(__file__).with_name("hasty_relay.py")
# What only happens with a camera is reached in test_kill_media.py; see test_failpoints.py for the others.
UPLOADS = tuple(name for name in relay.failpoints.NAMES if name.startswith("upload."))
AT_THE_RELAY = tuple(name for name in relay.failpoints.NAMES if name not in UPLOADS)
AT_THE_AGENT = tuple(name for name in agent.failpoints.NAMES if name.split(".")[0] in ("pipeline", "store", "outlet"))


def plan(kills: int, chance: random.Random) -> list[tuple[str, str]]:
    """Who dies, and where ("": at any instant). Each fail-point at least once."""
    named = [("agent", name) for name in AT_THE_AGENT] + [("cloud", name) for name in AT_THE_RELAY]
    chosen = [(who, f"{name}:{chance.randint(1, 6)}") for who, name in named][:kills]
    while len(chosen) < kills:
        kind = chance.random()
        if kind < 0.3:
            who, name = chance.choice(named)
            chosen.append((who, f"{name}:{chance.randint(1, 20)}"))
        else:
            chosen.append((chance.choice(("agent", "cloud", "cloud", "both")), ""))
    chance.shuffle(chosen)
    return chosen


async def kill(line: Line, who: str, failpoint: str, chance: random.Random) -> None:
    """One of them, or both at once; then everything runs again."""
    names = ("agent", "cloud") if who == "both" else (who,)
    await asyncio.sleep(chance.uniform(0, 0.6))
    await line.die(*names)
    if failpoint:
        await line.die_at(who, failpoint)
    if chance.random() < 0.3:
        await asyncio.sleep(chance.uniform(0, 0.5))  # the rest goes on without it
    for name in names:
        await line.processes[name].start()


@pytest.mark.timeout(3600)
async def test_kills_along_the_line(tmp_path: Path, ledger: Ledger, pick: Callable[..., int]) -> None:
    kills = pick(quick=9, ci=30, long=400)
    async with Line(directory=tmp_path / "l", pace=0.08) as line:
        line.talking.set()
        for who, failpoint in plan(kills, ledger.chance):
            await kill(line, who, failpoint, ledger.chance)
            ledger.count("kills", 2 if who == "both" else 1 + bool(failpoint))
        settled = await line.settled()
        assert await line.stop() == []
        report = ledger.judged(line.judge(seed=ledger.seed))
        print(report)
        assert report.ok, f"CHAOS_SEED={ledger.seed} (settled: {settled})\n{report}"
        assert report.counted["sensor messages acked"] > 5 * kills
        assert report.counted["deliveries sent"] > kills


@pytest.mark.parametrize(
    ("safeguard", "failpoint", "broken"),
    [
        ("hasty", "ingest.after_commit_before_reply", "relay is the agent's log"),
        ("mute", "notify.before_send", "everybody is told"),
        ("unlabelled", "notify.after_send_before_mark", "nobody is told twice"),
    ],
)
async def test_a_careless_relay_is_found_out(
    tmp_path: Path, ledger: Ledger, effort: str, safeguard: str, failpoint: str, broken: str
) -> None:
    """The test of the test: one safeguard of the relay is off, it dies at the place that safeguard is for, and the
    checker says what has become of it."""
    if effort == "quick" and safeguard != "unlabelled":
        pytest.skip("the other two have their turn with EFFORT=ci")
    ledger.fails_without(safeguard)
    program = (sys.executable, str(CARELESS), safeguard)
    async with Line(directory=tmp_path / "l", tls=False, programs={"cloud": program}) as line:
        line.talking.set()
        for times in (2, 3):
            await line.die("cloud")
            await line.die_at("cloud", f"{failpoint}:{times}")
            ledger.count("kills", 2)
        await line.cloud.start()
        await asyncio.sleep(2)
        await line.settled(seconds=4)
        await line.stop()
        report = ledger.judged(line.judge())
        assert broken in {violation.invariant for violation in report.violations}, str(report)
