"""The one command: quick to answer, and helpful about a wrong word."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nightporter
from rules import VERSION

ROOT = Path(__file__).parents[2]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert nightporter.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {word} " in shown for word in nightporter.COMMANDS)
    assert nightporter.main([]) == 2
    assert capsys.readouterr().err == shown


def test_a_mistyped_word_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert nightporter.main(["agnet", "run"]) == 2
    assert "did you mean agent?" in capsys.readouterr().err
    assert nightporter.main(["xyzzy"]) == 2
    assert "known are demo, agent" in capsys.readouterr().err


def test_a_command_gets_its_words_and_its_exit_code_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert nightporter.main(["certs", "list", "--help"]) == 0
    assert "nightporter certs list --dir" in capsys.readouterr().out
    assert nightporter.main(["certs", "nonsense"]) == 2


def test_a_missing_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needs_more.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(nightporter.COMMANDS, "relay", ("needs_more", "relay", ""))
    assert nightporter.main(["relay", "run"]) == 78
    assert "pip install 'nightporter[relay]'" in capsys.readouterr().err


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    dynamic = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["dynamic"]
    assert dynamic["version"] == {"attr": "rules.VERSION"}
    assert nightporter.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nightporter {VERSION}\n"


def test_help_loads_no_part_and_nothing_slow() -> None:
    """The figure (below 0.1 s) is a matter of what is imported; that can be tested without a stopwatch."""
    program = (
        "import sys; before = set(sys.modules); import nightporter; nightporter.main(['--help'])\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(loaded - {'nightporter', '__future__'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
