"""`nightporter rules` beside a running agent: its store is read, and nothing is disturbed."""

from __future__ import annotations

import json
from pathlib import Path

from hwlab.ports import free_port
from tests.integration.agent_process import Agent
from tests.integration.test_agent_cli import nightporter


async def test_the_store_of_a_running_agent_is_replayed_exported_and_asked(tmp_path: Path) -> None:
    agent = Agent(folder=tmp_path / "agent", port=free_port())
    await agent.start()
    assert await agent.stop() == 0
    await agent.start()
    config = ("--config", str(agent.folder / "agent.yaml"))
    replayed = nightporter("rules", "replay", "--json", *config)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert json.loads(replayed.stdout)["inputs"] >= 3  # two starts, and the document
    exported = tmp_path / "log.jsonl"
    assert nightporter("rules", "replay", "--export", str(exported), *config).returncode == 0
    again = nightporter("rules", "replay", str(exported), "--json")
    assert (again.returncode, json.loads(again.stdout)["differences"]) == (0, [])
    asked = nightporter("rules", "explain", "--rule", "alarm", "--at", "2099-01-01", *config)
    assert asked.returncode == 1, asked.stderr
    assert "it did not ring: nothing happened to it then" in asked.stdout
    assert await agent.stop() == 0
