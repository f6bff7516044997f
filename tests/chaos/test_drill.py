"""`nightporter lab drill` on a copy of a gateway: passes, touches nothing of the gateway itself, and fails when the
agent is careless."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from pathlib import Path

import pytest

from hwlab.drill import run as drill
from tests.chaos.ledger import Ledger
from tests.integration.agent_process import Agent

ROOT = Path(__file__).parents[2]
CARELESS = Path(__file__).with_name("careless_agent.py")


def print_of(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its bytes; the lock and the memory of a read-only look are none of its data."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


@pytest.mark.timeout(240)
async def test_a_gateway_passes_and_is_not_touched(tmp_path: Path, ledger: Ledger) -> None:
    live = Agent(folder=tmp_path / "live", port=1)  # a broker that is not there: a drill would never reach it
    await live.start()
    assert await live.stop() == 0
    before = print_of(live.folder)
    report = tmp_path / "drill.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nightporter", "lab", "drill", "--config", str(live.folder / "agent.yaml")),
        *("--kills", "1", "--broker", "nats", "--seed", str(ledger.seed), "--json", str(report)),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said
    assert "PASSED: nothing that was acknowledged was lost" in said
    figures = json.loads(report.read_text())
    assert figures["ok"] and figures["seed"] == ledger.seed
    assert figures["counted"]["sensor messages acked"] > 50
    for harm, number in figures["harms"].items():
        ledger.harm(harm, number)
    ledger.count("kills", 2)
    assert print_of(live.folder) == before


@pytest.mark.timeout(240)
async def test_a_careless_agent_fails(ledger: Ledger, effort: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The test of the test: an agent that acknowledges what it has not kept does not pass."""
    if effort == "quick":
        pytest.skip("this has its turn with EFFORT=ci")
    ledger.fails_without("acknowledging after the commit")
    parser = argparse.ArgumentParser()
    drill.arguments_of(parser)
    words = parser.parse_args(["--kills", "3", "--broker", "nats", "--no-full-disk", "--seed", str(ledger.seed)])
    assert (
        await drill.run(words, programs={"agent": (sys.executable, str(CARELESS), "dawdling")}, patience=3)
        == drill.FOUND
    )
    assert "FAILED" in capsys.readouterr().out
    ledger.harm("lost", 1)
