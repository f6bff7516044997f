"""Lines as buildings have them: slow, lossy, cut, half open, one-way, with a stranger in between. Whatever happens on
one, afterwards the relay has what the gateway has, and while it lasts the gateway is calm and its siren sounds."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwlab.faults import PROFILES, FaultProxy, Profile
from tests.chaos.ledger import Ledger
from tests.chaos.line_rig import Line, cpu, line
from tests.chaos.netns import DARK, FAIR, Weather, cable, possible

FORGETTING = Path(__file__).with_name("forgetting_agent.py")
CALM = 0.2  # of a core, while the line is down
LINES = 40  # what the agent may say while the line is down, however long


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Weather over time: `spells` of `bad` weather and as many of fair, each so many seconds long, `times` times."""

    bad: Weather
    spells: float = 5.0
    fair: float = 5.0
    times: int = 1
    down: bool = True  # whether nothing gets through in bad weather
    restart: bool = False  # the relay starts anew meanwhile: the gateway's connections are half open


COURSES = {
    "online": Course(bad=FAIR, spells=5, down=False),
    "off-5-5-5": Course(bad=DARK, spells=5, fair=5, times=5),
    "off-15-15-3": Course(bad=DARK, spells=15, fair=15, times=3),
    "off-30-30-2": Course(bad=DARK, spells=30, fair=30, times=2),
    "satellite": Course(bad=Weather(latency=0.3), spells=12, fair=0, down=False),
    "lte-bad": Course(bad=Weather(latency=0.2, jitter=0.1, loss=0.03, rate=1e6), spells=15, fair=0, down=False),
    "one-way-up": Course(bad=Weather(down=False), spells=12),
    "one-way-down": Course(bad=Weather(up=False), spells=12),
    "half-open": Course(bad=DARK, spells=6, restart=True),
    "mtu-black-hole": Course(bad=Weather(largest=1100), spells=15, down=False),
}
IN_CI = ("satellite", "lte-bad", "half-open")
STRANGERS = ("captive-portal", "garbage", "refused", "stalled", "half-open", "slow-loris")
STRANGERS_IN_CI = ("captive-portal",)


@contextlib.asynccontextmanager
async def calm(run: Line, ledger: Ledger, *, wanted: bool) -> AsyncIterator[None]:
    """The agent's processor time and log lines inside the block; with `wanted` they must be small."""
    pid = run.agent.pid
    assert pid is not None
    used, began, said = cpu(pid), time.monotonic(), _lines(run)
    yield
    share = (cpu(pid) - used) / (time.monotonic() - began)
    ledger.note(agent_share_of_a_core=round(share, 3), agent_log_lines=_lines(run) - said)
    if wanted:
        assert share < CALM, f"the agent uses {share:.0%} of a core while the line is down"
        assert _lines(run) - said <= LINES, f"the agent says too much:\n{run.agent.tail()}"


def _lines(run: Line) -> int:
    return run.agent.log_file.read_text(errors="replace").count("\n")


async def alarm(run: Line) -> None:
    """Open and close the door: the siren is commanded at once, whatever the line is like."""
    siren = run.building.siren
    orders = len(siren.commands)
    began = time.monotonic()
    await run.building.door.open()
    await siren.commanded(orders + 1)
    assert time.monotonic() - began < 2, "the siren waits for no line"
    await run.building.door.close()


async def judged(run: Line, ledger: Ledger, *, seconds: float) -> None:
    """The line is good again: the relay gets all of it."""
    await hushed(run)
    began = time.monotonic()
    await run.converged(seconds=seconds)
    ledger.note(converged_seconds=round(time.monotonic() - began, 1))
    report = ledger.judged(run.judge())
    assert report.ok, f"CHAOS_SEED={ledger.seed}\n{report}"
    assert await run.agent.stop() == 0


async def begin(run: Line, *, agent: list[str] | None = None) -> None:
    await run.relay.start()
    await run.live(agent)
    run.building.talking.set()
    await run.until(lambda: run.marks().get("P0", 0) > 0, what="the first incident at the relay")
    await asyncio.sleep(1)
    await hushed(run)


async def hushed(run: Line) -> None:
    """Nobody talks: the door is nobody's but the test's, and closed."""
    run.building.talking.clear()
    await asyncio.sleep(0.5)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", COURSES)
async def test_weather(
    tmp_path: Path, ledger: Ledger, effort: str, capability: Callable[[str, bool], None], name: str
) -> None:
    if effort == "quick" or (effort == "ci" and name not in IN_CI):
        pytest.skip("this line has its turn with a greater EFFORT")
    capability("network namespaces and TUN devices (root)", possible())
    course = COURSES[name]
    async with cable(seed=ledger.seed) as wire, line(tmp_path, far=wire) as run:
        await begin(run)
        for _ in range(course.times):
            wire.weather = course.bad
            if course.down:
                async with calm(run, ledger, wanted=True):
                    await _live_through(run, course.spells)
            else:
                run.building.talking.set()
                await asyncio.sleep(course.spells)
                await hushed(run)
                await alarm(run)
            if course.restart:
                await run.relay.kill()
                await run.relay.start()
            wire.weather = FAIR if course.down or name == "mtu-black-hole" else course.bad
            run.building.talking.set()
            await asyncio.sleep(course.fair)
            await hushed(run)
        await judged(run, ledger, seconds=120)
        ledger.note(packets_carried=wire.carried, packets_dropped=wire.dropped)
        assert wire.dropped or not course.down, "no packet was dropped: the test has tested nothing"


async def _live_through(run: Line, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await alarm(run)
        await asyncio.sleep(1)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", STRANGERS)
async def test_strangers(tmp_path: Path, ledger: Ledger, effort: str, name: str) -> None:
    """What answers, or does not, is not the relay; then it is again."""
    if effort != "long" and name not in STRANGERS_IN_CI:
        pytest.skip("this line has its turn with EFFORT=long")
    async with contextlib.AsyncExitStack() as stack:
        proxy = FaultProxy(to=("127.0.0.1", 1))
        await stack.enter_async_context(proxy)
        run = await stack.enter_async_context(line(tmp_path, port=proxy.port))
        proxy.to = ("127.0.0.1", run.relay.port)
        await begin(run)
        await proxy.set(PROFILES[name])
        await proxy.cut()
        async with calm(run, ledger, wanted=True):
            await _live_through(run, 4 if effort == "quick" else 12)
        heads, marks = run.heads(), run.marks()
        assert marks["P0"] < heads["P0"], "it got through: this tests nothing"
        await proxy.set(Profile())
        await judged(run, ledger, seconds=90)
        assert "store" not in (run.agent.records("outlet.refused") or [{}])[0], "nobody has to do anything"


async def test_an_agent_that_does_not_wait_is_not_calm(tmp_path: Path, ledger: Ledger, effort: str) -> None:
    """The test of the test: without the pause between two attempts a dead line costs a processor."""
    if effort == "quick":
        pytest.skip("has its turn with EFFORT=ci")
    ledger.fails_without("the wait between two attempts")
    async with FaultProxy(to=("127.0.0.1", 1)) as proxy, line(tmp_path, port=proxy.port) as run:
        proxy.to = ("127.0.0.1", run.relay.port)
        await begin(run, agent=[sys.executable, str(FORGETTING), "restless", "run"])
        await proxy.set(PROFILES["captive-portal"])
        await proxy.cut()
        before = proxy.connections
        async with calm(run, ledger, wanted=False):
            await _live_through(run, 5)
        ledger.count("attempts in vain", proxy.connections - before)
        # Counted rather than timed: on a busy machine even a restless one gets little of a processor.
        assert proxy.connections - before > 60


async def test_names_that_cannot_be_looked_up(
    tmp_path: Path, ledger: Ledger, effort: str, capability: Callable[[str, bool], None]
) -> None:
    """DNS is dead: names are asked for in vain, then known again. The agent has a hosts file of its own."""
    if effort != "long":
        pytest.skip("this line has its turn with EFFORT=long")
    capability("a mount namespace (root)", possible())
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.1 relay.example\n")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = f'mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    async with line(tmp_path, host="relay.example", before=["unshare", "--mount", "sh", "-c", script, "sh"]) as run:
        await begin(run)
        hosts.write_text("127.0.0.1 localhost\n")
        await run.relay.kill()
        await run.relay.start()
        async with calm(run, ledger, wanted=True):
            await _live_through(run, 15)
        assert run.marks()["P0"] < run.heads()["P0"], "it got through: this tests nothing"
        lost = run.agent.records("outlet.lost")
        assert "relay.example" in lost[-1]["body"]["reason"]
        hosts.write_text("127.0.0.1 localhost\n127.0.0.1 relay.example\n")
        await judged(run, ledger, seconds=120)
