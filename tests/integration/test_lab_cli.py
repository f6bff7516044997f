"""`nightporter lab` as a person runs it: in its own process, ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LAB = [sys.executable, "-m", "hwlab.cli"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A running lab: its report and its process."""
    words = [*LAB, "up", "--dir", str(tmp_path / "lab"), "--broker", "nats", "--report"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *words], capture_output=True, text=True, timeout=60, check=False)


def test_up_stays_until_ctrl_c_and_leaves_nothing(lab: tuple[dict[str, Any], subprocess.Popen[str]]) -> None:
    report, process = lab
    assert report["broker"]["kind"] == "nats"
    assert report["cameras"]["server-room"].startswith("rtsp://127.0.0.1:")
    assert set(report["devices"]) == {"server-room-door", "siren-1", "server-room-temp"}
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_scenario_is_played_in_the_running_lab(
    lab: tuple[dict[str, Any], subprocess.Popen[str]], tmp_path: Path
) -> None:
    report, _ = lab
    night = tmp_path / "night.yaml"
    night.write_text(
        "name: night\nabout: A short night.\nhooks: [process]\nsteps:\n"
        "  - {at: 0s, say: The door opens., open: server-room-door, expect: a siren}\n"
        "  - {at: 200ms, say: The relay goes., process: {relay: stop}}\n"
    )
    played = run("scenario", str(night), "--dir", report["directory"])
    assert (played.returncode, played.stderr) == (0, "")
    assert "night: A short night." in played.stdout
    assert "0.0 s  The door opens." in played.stdout
    assert "expect: a siren" in played.stdout
    assert "please do this now: process: {relay: stop}" in played.stdout
    journal = Path(report["journal"]).read_text()
    assert '"what": "acked"' in journal


def test_mistakes_have_their_own_exit_status(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\nstepps: []\n")
    assert run("scenario", "break_in", "--dir", str(tmp_path)).returncode == 75
    unknown = run("scenario", "brake_in", "--dir", str(tmp_path))
    assert (unknown.returncode, "did you mean 'break_in'?" in unknown.stderr) == (2, True)
    broken = run("scenario", str(wrong), "--dir", str(tmp_path))
    assert broken.returncode == 78
    assert f"{wrong}:2:1: stepps: unknown key 'stepps'; did you mean 'steps'?" in broken.stderr
    assert "Traceback" not in unknown.stderr + broken.stderr
    assert run("up", "--nonsense").returncode == 2
    assert run("check", "--gateway", "g").returncode == 2
    assert run("check", "--gateway", "g", "--agent", str(tmp_path / "none.db")).returncode == 1
    assert "examples:" in run("--help").stdout
