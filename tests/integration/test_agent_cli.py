"""The agent's command line as a person or systemd meets it: sentences and exit codes of real processes."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hwlab.ports import free_port
from tests.integration.agent_process import SITE, Agent

ROOT = Path(__file__).resolve().parents[2]


def nightporter(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightporter", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(folder=tmp_path / "agent", port=free_port())


def config(agent: Agent) -> str:
    return str(agent.folder / "agent.yaml")


async def test_an_orderly_life(agent: Agent) -> None:
    """READY without a broker, SIGTERM, exit code 0, and a log one can look at; then the same log goes on."""
    await agent.start()
    status = nightporter("agent", "status", "--json", "--config", config(agent))
    assert status.returncode == 0, status.stderr
    found = json.loads(status.stdout)
    assert (found["gateway"], found["clean"], found["outlets"]) == ("gw-1", False, [])
    second = nightporter("agent", "run", "--config", config(agent))
    assert second.returncode == 78
    assert second.stderr == f"another agent (process {agent.pid}) is running on {agent.folder / 'data'}\n"
    assert await agent.stop() == 0
    assert json.loads(nightporter("agent", "status", "--json", "--config", config(agent)).stdout)["clean"] is True
    await agent.start()
    assert await agent.stop() == 0
    boots = [record["body"] for record in agent.records("boot")]
    assert [body["clean"] for body in boots] == [True, True]
    assert boots[0]["epoch"] == boots[1]["epoch"]
    assert boots[1]["off_time"] < 60_000_000
    assert len(agent.records("site.applied")) == 1, "told once a version"


async def test_a_site_document_goes_in_and_out(agent: Agent) -> None:
    folder = agent.folder
    (folder / "data" / "site.next").unlink()
    empty = nightporter("site", "export", "--config", config(agent))
    assert empty.returncode == 75
    assert empty.stderr == f"there is no log at {agent.database} yet: the agent has not run here\n"
    bad = folder / "bad.yaml"
    bad.write_text("site: {id: house, name: The House}\nrules:\n  - {id: r, name: R, wen: {}}\n")
    refused = nightporter("site", "import", str(bad), "--config", config(agent))
    assert refused.returncode == 78
    assert f"{bad}:3:22: rules.0.wen: is not a known key here" in refused.stderr
    assert "did you mean when?" in refused.stderr
    good = folder / "good.yaml"
    good.write_text(SITE)
    taken = nightporter("site", "import", str(good), "--why", "new door", "--config", config(agent))
    assert (taken.returncode, taken.stderr) == (0, "")
    assert "4 devices, 1 rules" in taken.stdout
    await agent.start()
    assert await agent.stop() == 0
    assert nightporter("site", "export", "--config", config(agent)).stdout == SITE
    (applied,) = agent.records("site.applied")
    assert (applied["body"]["version"], applied["body"]["why"]) == (1, "new door")


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b""], ids=["garbage", "empty"])
async def test_a_destroyed_log_is_recovered_from_and_the_building_guarded(agent: Agent, damage: bytes) -> None:
    await agent.start()
    assert await agent.stop() == 0
    agent.database.write_bytes(damage)
    await agent.start()
    await agent.until(lambda: agent.records("store.recovered"))
    assert nightporter("site", "export", "--config", config(agent)).stdout == SITE, "it still knows its doors"
    (told,) = [record["body"] for record in agent.records("store.recovered")]
    assert told["rows"] == 0
    assert told["missing"] > 0
    if damage:
        assert (agent.folder / "data" / told["kept"]).read_bytes() == damage
    assert [record["body"]["supersedes"] for record in agent.records("epoch.began")]
    assert await agent.stop() == 0
    await agent.start()
    assert await agent.stop() == 0
    assert len(agent.records("store.recovered")) == 1, "told once"


async def test_what_is_no_log_of_this_gateway_is_78_and_left_alone(agent: Agent) -> None:
    def refused() -> str:
        before = agent.database.read_bytes()
        shown = nightporter("agent", "run", "--config", config(agent))
        assert shown.returncode == 78, shown.stderr
        assert "Traceback" not in shown.stderr
        assert agent.database.read_bytes() == before
        assert not list(agent.database.parent.glob("*damaged*"))
        return shown.stderr

    await agent.start()
    assert await agent.stop() == 0
    good = agent.database.read_bytes()
    with contextlib.closing(sqlite3.connect(agent.database)) as connection:
        connection.executescript("PRAGMA user_version=99; CREATE TABLE of_the_future (a);")
    assert "written by a newer Nightporter (schema 99, this one knows" in refused()
    agent.database.write_bytes(good)
    path = agent.folder / "agent.yaml"
    path.write_text(path.read_text().replace("id: gw-1", "id: gw-2"))
    assert "belongs to gateway gw-1, the configuration says gw-2" in refused()
    agent.database.unlink()
    with contextlib.closing(sqlite3.connect(agent.database)) as connection:
        connection.executescript("CREATE TABLE songs (title)")
    assert "is a database, but no log of Nightporter: it has the tables songs" in refused()


def test_configuration_that_cannot_be_used_is_78(agent: Agent) -> None:
    path = agent.folder / "agent.yaml"
    good = path.read_text()
    (agent.folder / "secrets" / "mqtt").chmod(0o644)
    shown = nightporter("agent", "run", "--config", str(path))
    assert (shown.returncode, "can be read by others; chmod 600" in shown.stderr) == (78, True)
    (agent.folder / "secrets" / "mqtt").unlink()
    missing = nightporter("agent", "run", "--config", str(path))
    assert missing.returncode == 78
    assert missing.stderr.endswith("secret mqtt is not set; set it with: nightporter agent secret set mqtt\n")
    path.write_text(good + "brokr: 1\n")
    unknown = nightporter("agent", "run", "--config", str(path))
    assert unknown.returncode == 78
    assert unknown.stderr.startswith(f"{path}:4:1: brokr: is not a known key here")
    path.write_text(good.replace("run: run", "run: /proc/nowhere"))
    directory = nightporter("agent", "run", "--config", str(path))
    assert directory.returncode == 78
    assert directory.stderr.startswith("directory /proc/nowhere cannot be made: ")


def test_a_secret_comes_from_standard_input(agent: Agent) -> None:
    done = nightporter("agent", "secret", "set", "cam-lobby", "--config", config(agent), stdin="canary-3\n")
    assert (done.returncode, "canary-3" in done.stdout + done.stderr) == (0, False)
    path = agent.folder / "secrets" / "cam-lobby"
    assert path.read_text() == "canary-3"
    assert path.stat().st_mode & 0o777 == 0o600
    assert nightporter("agent", "secret", "set", "cam-lobby", "--config", config(agent)).returncode == 2
    assert path.read_text() == "canary-3", "nothing on standard input changes nothing"
    odd = nightporter("agent", "secret", "set", "../cam", "--config", config(agent), stdin="x")
    assert (odd.returncode, "is not a name for a secret" in odd.stderr) == (78, True)


def test_usage(agent: Agent) -> None:
    assert nightporter("agent").returncode == 2
    assert nightporter("agent", "walk").returncode == 2
    shown = nightporter("agent", "run", "--help")
    assert shown.returncode == 0
    assert "example:\n  nightporter agent run --config agent.yaml" in shown.stdout
