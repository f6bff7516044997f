"""`agent outlet list | retire` beside a running agent and without one, as an installer meets it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwlab.ports import free_port
from tests.integration.agent_process import Agent, running
from tests.integration.fake_relay import FakeRelay

ROOT = Path(__file__).resolve().parents[2]


async def nightporter(*words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "nightporter", "agent", "outlet", *words],
        capture_output=True,
        text=True,
        timeout=40,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """With one outlet, `cloud`, over a Unix socket; its broker is away."""
    made = Agent(folder=tmp_path / "agent", port=free_port())
    config = made.folder / "agent.yaml"
    shutil.copy(config, made.folder / "without.yaml")
    config.write_text(config.read_text() + "outlets:\n  - {name: cloud, socket: relay.sock}\n")
    return made


async def test_an_outlet_is_listed_and_retired_beside_a_running_agent(agent: Agent) -> None:
    named, without = str(agent.folder / "agent.yaml"), str(agent.folder / "without.yaml")
    relay = FakeRelay(gateway="gw-1")
    async with relay.listening(agent.folder / "relay.sock"), running(agent):
        await agent.until(lambda: agent.query("SELECT 1 FROM outlet_cursor WHERE outlet = 'cloud'"))
        await agent.until(lambda: relay.streams, what="the channel")
        listed = await nightporter("list", "--json", "--config", named)
        (cloud,) = json.loads(listed.stdout)["outlets"]
        assert (cloud["name"], cloud["configured"], cloud["reachable"], cloud["keeps_copy"]) == (
            "cloud", True, True, True,
        )  # fmt: skip
        assert cloud["last_acknowledged"] > 0
        text = await nightporter("list", "--config", named)
        assert text.stdout.startswith("outlet cloud: reachable; ")
        assert "no recordings wait; last acknowledged 20" in text.stdout

        still_there = await nightporter("retire", "cloud", "--who", "Ada", "--config", named)
        assert still_there.returncode == 78
        assert "outlet cloud is still in" in still_there.stderr
        assert "remove it there first" in still_there.stderr
        unknown = await nightporter("retire", "clowd", "--config", without)
        assert (unknown.returncode, unknown.stderr) == (
            2, "no outlet called clowd is known here; did you mean cloud?\n",
        )  # fmt: skip

        gone = await nightporter("list", "--config", without)
        assert "not in agent.yaml any more; what waits for it is kept until it is retired" in gone.stdout
        retired = await nightporter("retire", "cloud", "--who", "Ada", "--config", without)
        assert retired.returncode == 0, retired.stderr
        assert retired.stdout.startswith("outlet cloud is retired")
        assert [record["body"]["who"] for record in agent.records("outlet.retired")] == ["Ada"]
        assert agent.query("SELECT outlet FROM outlet_cursor") == []
        assert agent.query("SELECT name FROM media_outlet") == []
        await agent.until(lambda: not relay.streams, what="the end of its channel")
        assert (await nightporter("list", "--config", without)).stdout == (
            "no outlet follows this log: agent.yaml names none\n"
        )
        again = await nightporter("retire", "cloud", "--config", without)
        assert again.returncode == 2
        assert "none follows this log" in again.stderr
        assert await agent.stop() == 0


async def test_without_an_agent_it_waits_for_the_next_start(agent: Agent) -> None:
    without = str(agent.folder / "without.yaml")
    async with running(agent):
        await agent.until(lambda: agent.query("SELECT 1 FROM media_outlet WHERE name = 'cloud'"))
        assert await agent.stop() == 0
    asked = await nightporter("retire", "cloud", "--who", "Ada", "--config", without)
    assert (asked.returncode, asked.stdout) == (0, "outlet cloud is retired at the agent's next start\n")
    shutil.copy(without, agent.folder / "agent.yaml")
    async with running(agent):
        await agent.until(lambda: agent.records("outlet.retired"))
        await agent.until(lambda: not list((agent.folder / "data" / "retire").iterdir()))
        assert await agent.stop() == 0
    assert [record["body"]["outlet"] for record in agent.records("outlet.retired")] == ["cloud"]
    assert agent.query("SELECT name FROM media_outlet") == []


async def test_words_that_are_missing_are_asked_for(agent: Agent) -> None:
    named = str(agent.folder / "agent.yaml")
    nobody = await nightporter("retire", "--config", named)
    assert (nobody.returncode, nobody.stderr) == (
        2, "say which outlet: nightporter agent outlet retire NAME --who WHO\n",
    )  # fmt: skip
    early = await nightporter("list", "--config", named)
    assert early.returncode == 75
    assert "the agent has not run here" in early.stderr
