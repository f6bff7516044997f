"""Backup and restore by the real commands: while the agent runs, to a directory, onto new hardware, with and without
secrets, and every way in which it says no."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from hwlab.ports import free_port
from tests.integration.agent_process import SITE, USERS, Agent
from tests.integration.test_agent_cli import config, nightporter

PHRASE = "a long night in the lobby"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(folder=tmp_path / "agent", port=free_port())


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "usb"
    folder.mkdir()
    return folder


def back_up(agent: Agent, to: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return nightporter("agent", "backup", "--to", str(to), "--config", config(agent), *words, stdin=stdin)


def restore(agent: Agent, source: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return nightporter("agent", "restore", "--from", str(source), "--config", config(agent), *words, stdin=stdin)


async def test_there_and_back(agent: Agent, stick: Path) -> None:
    await agent.start()
    made = back_up(agent, stick)
    assert made.returncode == 0, made.stderr
    (file,) = stick.iterdir()
    assert file.name.startswith("gw-1-")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "read back and good" in made.stdout
    assert "--with-secrets puts them in" in made.stderr
    with tarfile.open(file) as tar:
        assert set(tar.getnames()) == {"backup.json", "agent.yaml", "site.yaml", "log.db"}
        manifest = json.load(tar.extractfile("backup.json"))  # type: ignore[arg-type]
        assert tar.extractfile("site.yaml").read().decode() == SITE  # type: ignore[union-attr]
    assert manifest["secrets"] == ["secrets/mqtt"]
    assert USERS["agent"].encode() not in file.read_bytes(), "a name is no value"
    refused = restore(agent, stick)
    assert (refused.returncode, "another agent (process" in refused.stderr) == (78, True), "not while it runs"
    assert await agent.stop() == 0
    epoch = agent.query("SELECT value FROM meta WHERE name = 'epoch'")
    boots = len(agent.records("boot"))
    await agent.start()
    assert await agent.stop() == 0
    done = restore(agent, stick)
    assert done.returncode == 0, done.stderr
    assert "what was here is kept as" in done.stdout
    assert len(list(agent.database.parent.glob("log.db.before-restore-*"))) == 1
    await agent.start()
    assert await agent.stop() == 0
    (began,) = [record["body"] for record in agent.records("epoch.began")]
    assert [began["supersedes"]] == epoch
    assert "restored from the backup of" in began["reason"]
    assert len(agent.records("boot")) == boots + 1, "what came after the backup is in the kept file"
    assert not agent.records("store.recovered"), "a restored log is no damaged one"


async def test_onto_new_hardware_with_its_secrets(agent: Agent, stick: Path, tmp_path: Path) -> None:
    await agent.start()
    assert await agent.stop() == 0
    code = nightporter("agent", "code", "--config", config(agent), stdin="2580\n")
    made = back_up(agent, stick / "gw.npbackup", "--with-secrets", stdin=PHRASE + "\n")
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    whole = (stick / "gw.npbackup").read_bytes()
    pepper = (agent.folder / "secrets" / "pepper").read_bytes().strip()
    assert USERS["agent"].encode() not in whole
    assert pepper not in whole
    shutil.rmtree(agent.folder)
    agent.folder.mkdir()
    wrong = restore(agent, stick / "gw.npbackup", "--with-secrets", stdin="something else\n")
    assert wrong.returncode == 78
    assert "does not open the secrets" in wrong.stderr
    assert not agent.database.exists(), "nothing was changed"
    done = restore(agent, stick / "gw.npbackup", "--with-secrets", stdin=PHRASE + "\n")
    assert done.returncode == 0, done.stderr
    assert (agent.folder / "secrets" / "pepper").read_bytes().strip() == pepper
    assert stat.S_IMODE((agent.folder / "secrets" / "mqtt").stat().st_mode) == 0o600
    assert nightporter("agent", "code", "--config", config(agent), stdin="2580\n").stdout == code.stdout
    await agent.start()
    assert await agent.stop() == 0
    assert nightporter("site", "export", "--config", config(agent)).stdout == SITE


async def test_without_its_secrets_it_names_what_is_missing(agent: Agent, stick: Path) -> None:
    await agent.start()
    assert await agent.stop() == 0
    assert back_up(agent, stick).returncode == 0
    (agent.folder / "secrets" / "mqtt").unlink()
    done = restore(agent, stick)
    assert done.returncode == 0
    assert "not here, and in use when the backup was made: secrets/mqtt" in done.stderr


async def test_every_no(agent: Agent, stick: Path) -> None:
    none = back_up(agent, stick)
    assert (none.returncode, "there is no log at" in none.stderr) == (75, True)
    await agent.start()
    assert await agent.stop() == 0
    target = stick / "one.npbackup"
    assert back_up(agent, target).returncode == 0
    again = back_up(agent, target)
    assert (again.returncode, "never overwrites one" in again.stderr) == (78, True)
    short = back_up(agent, stick / "two", "--with-secrets", stdin="short\n")
    assert (short.returncode, "at least 12 characters" in short.stderr) == (78, True)
    assert [path.name for path in stick.iterdir()] == ["one.npbackup"], "nothing is left behind"
    whole = bytearray(target.read_bytes())
    whole[len(whole) // 2] ^= 1
    target.write_bytes(whole)
    before = agent.database.read_bytes()
    for source, sentence in [
        (target, "is not as it was written; use another backup"),
        (agent.database, "is not a backup of a gateway"),
        (stick / "nothing", "there is no"),
        (agent.folder, "there is no backup of gateway gw-1 in"),
    ]:
        refused = restore(agent, source)
        assert (refused.returncode, sentence in refused.stderr) == (78, True), refused.stderr
        assert "Traceback" not in refused.stderr
    assert agent.database.read_bytes() == before
    assert not list(agent.database.parent.glob("*before-restore*"))


async def test_another_gateways_backup_is_refused(agent: Agent, stick: Path) -> None:
    await agent.start()
    assert await agent.stop() == 0
    assert back_up(agent, stick / "one").returncode == 0
    path = agent.folder / "agent.yaml"
    path.write_text(path.read_text().replace("id: gw-1", "id: gw-2"))
    refused = restore(agent, stick / "one")
    assert (refused.returncode, "is of gateway gw-1, the configuration says gw-2" in refused.stderr) == (78, True)


async def test_of_a_damaged_log_no_backup_is_made(agent: Agent, stick: Path) -> None:
    await agent.start()
    assert await agent.stop() == 0
    with sqlite3.connect(agent.database) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log_id'").fetchone()
    connection.close()
    with agent.database.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(bytes(4096))
    refused = back_up(agent, stick)
    assert refused.returncode == 78
    assert "no backup was made of it" in refused.stderr
    assert list(stick.iterdir()) == []
