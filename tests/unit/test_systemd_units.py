"""The units: systemd has nothing to say about them, every line has its reason, and the sandbox stays tight."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
NAMES = [unit.name for unit in UNITS]
# What `systemd-analyze security` may rate a unit at most; lower is tighter. The reasons stand in systemd/README.md.
CEILINGS = {
    "nightporter-agent.service": 1.6,
    "nightporter-media.service": 1.3,
    "nightporter-relay.service": 1.3,
    "nightporter-signer.service": 0.5,
}
# Lines no unit may be without; a value of None means: present, with whatever value and reason.
REQUIRED: dict[str, str | None] = {
    "Type": "notify",
    "WatchdogSec": "30",
    "RestartPreventExitStatus": "78",
    "User": None,
    "MemoryMax": None,
    "TasksMax": None,
    "LimitCORE": "0",
    "UMask": "0077",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": None,
    "ProtectClock": None,
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": None,
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": None,
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One setting of a section, with the comment that stands right above it."""

    number: int
    section: str
    key: str
    value: str
    reason: str


def lines_of(text: str) -> Iterator[Line]:
    section = ""
    reason: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("["):
            section, reason = line.strip("[]"), []
        elif line.startswith("#"):
            # A heading (###) groups lines for the eye; it is nobody's reason.
            reason = [] if line.startswith("###") else [*reason, line.lstrip("# ")]
        elif not line.strip():
            reason = []
        else:
            key, _, value = line.partition("=")
            yield Line(number=number, section=section, key=key, value=value, reason=" ".join(reason))
            reason = []


def unreasoned(text: str) -> list[str]:
    """Settings of [Service] without a reason of at least three words."""
    return [
        f"line {line.number}: {line.key}={line.value}"
        for line in lines_of(text)
        if line.section == "Service" and len(line.reason.split()) < 3
    ]


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a unit whose Exec*= lines point at the command of this environment."""
    command = Path(sys.executable).parent / "nightporter"
    if not command.exists():  # run from a checkout that was not installed: the front door itself, made executable
        command = tmp_path / "nightporter"
        command.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(ROOT / 'nightporter.py')!r})\n")
        command.chmod(0o755)

    def copy(unit: Path) -> Path:
        target = tmp_path / unit.name
        text, count = re.subn(
            r"^(Exec\w+=)/usr/bin/nightporter\b", rf"\g<1>{command}", unit.read_text(), flags=re.MULTILINE
        )
        assert count
        target.write_text(text)
        return target

    return copy


def test_the_units_are_all_here() -> None:
    assert set(NAMES) == set(CEILINGS)


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_every_line_has_its_reason(unit: Path) -> None:
    assert unreasoned(unit.read_text()) == []


def test_a_line_without_a_reason_is_found() -> None:
    """The test of the test."""
    text = "[Service]\n### sandbox\nUser=x\n# It must be so.\nGroup=x\nUMask=0077\n# Short.\nType=notify\n"
    assert unreasoned(text) == ["line 3: User=x", "line 6: UMask=0077", "line 8: Type=notify"]


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_no_unit_lacks_a_line_of_the_sandbox(unit: Path) -> None:
    settings = {line.key: line.value for line in lines_of(unit.read_text()) if line.section == "Service"}
    missing = [
        key for key, value in REQUIRED.items() if key not in settings or (value is not None and settings[key] != value)
    ]
    assert not missing


def test_users_are_separate_and_made_by_sysusers() -> None:
    users = [line.value for unit in UNITS for line in lines_of(unit.read_text()) if line.key == "User"]
    assert len(set(users)) == len(UNITS)
    made = re.findall(r"^[ug] +(\S+)", (ROOT / "systemd" / "nightporter.sysusers.conf").read_text(), re.MULTILINE)
    groups = [
        group
        for unit in UNITS
        for line in lines_of(unit.read_text())
        if line.key in ("Group", "SupplementaryGroups")
        for group in line.value.split()
    ]
    assert set(users) | set(groups) <= set(made)


def test_only_the_signer_names_a_verb_that_is_still_to_come() -> None:
    import nightporter

    for unit in UNITS:
        (start,) = (line.value for line in lines_of(unit.read_text()) if line.key == "ExecStart")
        command, verb = start.split()[1:3]
        shown = subprocess.run(
            [sys.executable, str(ROOT / "nightporter.py"), command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        known = verb in re.findall(r"\w+", shown)
        installs = any(line.section == "Install" for line in lines_of(unit.read_text()))
        assert command in nightporter.COMMANDS
        assert known == installs, f"{unit.name}: a unit that can be enabled runs a verb that exists, and no other does"
        if not known:
            assert "NOT ENABLED" in unit.read_text()


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_systemd_has_nothing_to_say(unit: Path, installed: Callable[[Path], Path], peer: Callable[[str], str]) -> None:
    """It exits 0 whatever it finds, so silence is what counts."""
    done = _quietly([peer("systemd-analyze"), "verify", "--man=no", str(installed(unit))])
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_systemd_would_say_something(installed: Callable[[Path], Path], peer: Callable[[str], str]) -> None:
    """The test of the test: a misspelt line is not silence."""
    copy = installed(UNITS[0])
    copy.write_text(copy.read_text().replace("MemoryMax=", "MemoryMaximum="))
    assert "MemoryMaximum" in _quietly([peer("systemd-analyze"), "verify", "--man=no", str(copy)]).stderr


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_the_sandbox_stays_tight(unit: Path, installed: Callable[[Path], Path], peer: Callable[[str], str]) -> None:
    done = _quietly([peer("systemd-analyze"), "security", "--offline=true", "--no-pager", str(installed(unit))])
    found = re.search(r"exposure level for \S+: (\d+\.\d+)", done.stdout + done.stderr)
    assert found is not None, done.stderr
    assert float(found[1]) <= CEILINGS[unit.name]


def test_users_and_directories_are_what_systemd_reads(
    tmp_path: Path, peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> None:
    peer("systemd-analyze")
    (tmp_path / "etc").mkdir()
    users, directories = ROOT / "systemd" / "nightporter.sysusers.conf", ROOT / "systemd" / "nightporter.tmpfiles.conf"
    # Copies, because an ordinary user's checkout may lie where --root= does not look.
    made = _quietly(["systemd-sysusers", f"--root={tmp_path}", shutil.copy(users, str(tmp_path))])
    assert made.returncode == 0, made.stderr
    passwd = (tmp_path / "etc" / "passwd").read_text()
    assert all(f"\nnightporter{which}:" in f"\n{passwd}" for which in ("", "-media", "-relay", "-signer"))
    capability("root, to give directories to users", os.geteuid() == 0)
    made = _quietly(["systemd-tmpfiles", "--create", f"--root={tmp_path}", shutil.copy(directories, str(tmp_path))])
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "var/lib/nightporter/media").stat().st_mode & 0o7777 == 0o2750
    assert (tmp_path / "var/lib/nightporter/data").stat().st_mode & 0o7777 == 0o700


def _quietly(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
