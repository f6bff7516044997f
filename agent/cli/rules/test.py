"""`nightporter rules test`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from agent.cli import EX_FOUND, EX_OK
from agent.cli.rules.files import colour
from agent.config.text import read_text
from agent.errors import ConfigError
from agent.fault import where
from rules.errors import DocumentError
from rules.scenario import differences, load_scenario, play, transcript

_SITES = "sites"  # folders of this name hold site documents, not scenarios
_RED, _PLAIN = "\033[31m", "\033[0m"


def run(arguments: argparse.Namespace) -> int:
    """Play each file in all ways; a transcript of what does not go as expected."""
    files = _files(arguments.files)
    results = [_one(path, arguments) for path in files]
    failed = [result for result in results if not result["good"]]
    if arguments.json:
        print(json.dumps({"scenarios": results, "failed": len(failed)}, indent=2))
    else:
        print(f"{len(results) - len(failed)} of {len(results)} scenarios go as expected")
    return EX_FOUND if failed else EX_OK


def _one(path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    sites = Path(arguments.sites) if arguments.sites else None
    try:
        loaded = load_scenario(read_text(path, "scenario"), str(path), lambda name: _site(name, path, sites))
    except DocumentError as error:
        if not arguments.json:
            print(_marked(str(error)))
        return {"file": str(path), "good": False, "mistakes": [str(problem) for problem in error.problems]}
    try:
        played, different = play(loaded), differences(loaded)
    except Exception as error:  # noqa: BLE001 - a fault of the program in one scenario must not hide the others
        fault = f"the program failed while it was played: {where(error)}"
        if not arguments.json:
            print(_marked(f"{path}: {fault}"))
        return {"file": str(path), "scenario": loaded.scenario.scenario, "good": False, "failures": [fault]}
    failures = [f"step {each.number + 1}: {failure}" for each in played for failure in each.failures]
    failures += different
    if not arguments.json and (failures or arguments.show):
        print(_marked(transcript(loaded, played, trace=arguments.trace)))
        print(_marked("".join(f"          >>> {line}\n" for line in different)))
    return {
        "file": str(path),
        "scenario": loaded.scenario.scenario,
        "good": not failures,
        "failures": failures,
        "lines": [line for each in played for line in each.lines],
    }


def _files(names: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, names):
        if path.is_dir():
            found += sorted(
                file for file in path.rglob("*.yaml") if _SITES not in file.relative_to(path).parts[:-1]
            )
        else:
            found.append(path)
    if not found:
        raise ConfigError(f"there are no scenarios (*.yaml) in {', '.join(names)}")
    return found


def _site(name: str, scenario: Path, sites: Path | None) -> tuple[str, str]:
    """The site document a scenario uses: in `sites/` there or above, or beside it. LookupError when there is none."""
    above = [scenario.parent, *list(scenario.resolve().parents)[1:4]]
    folders = [*([sites] if sites else []), *(folder / _SITES for folder in above), scenario.parent]
    for folder in folders:
        for path in (folder / name, folder / f"{name}.yaml"):
            if path.is_file() and not path.samefile(scenario):
                return read_text(path, "site document"), str(path)
    raise LookupError(f"there is no site document {name} or {name}.yaml in {_SITES}/ there or above, or beside it")


def _marked(text: str) -> str:
    if not colour():
        return text
    return "\n".join(f"{_RED}{line}{_PLAIN}" if ">>>" in line else line for line in text.splitlines())
