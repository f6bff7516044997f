"""Every scenario in tests/scenarios/ as a test: what must follow follows, whichever of the four ways it is played."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from rules.engine import Engine
from rules.errors import DocumentError
from rules.replay import Replay
from rules.scenario import GATEWAY, Loaded, differences, load_scenario, log_of, play, transcript
from rules.walk import Version, Walk

FOLDER = Path(__file__).parents[1] / "scenarios"
ZONES = Path(__file__).parents[2] / "rules" / "zones"
FILES = sorted(path for folder in (FOLDER, ZONES) for path in folder.rglob("*.yaml") if path.parent.name != "sites")


def find(name: str, folder: Path) -> tuple[str, str]:
    """A site document of the tests, or of the pages about types of zones."""
    path = folder / "sites" / f"{name}.yaml"
    if not path.is_file():
        raise LookupError(f"there is no site {name!r} in {folder.name}/sites/")
    return path.read_text("utf-8"), f"sites/{name}.yaml"


@cache
def load(path: Path) -> Loaded:
    """The scenario in a file, or a failure that says what is wrong with it."""
    try:
        folder = ZONES if path.parent == ZONES else FOLDER
        name = f"{path.parent.name}/{path.name}"
        return load_scenario(path.read_text("utf-8"), name, lambda site: find(site, folder))
    except DocumentError as error:
        problems = str(error)
    pytest.fail(problems, pytrace=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_scenario(path: Path) -> None:
    loaded = load(path)
    played = play(loaded)
    if any(step.failures for step in played):
        pytest.fail(transcript(loaded, played), pytrace=False)
    different = differences(loaded)
    if different:
        pytest.fail("\n".join([loaded.scenario.scenario, *different]), pytrace=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_its_log_replays_to_the_byte(path: Path) -> None:
    """Whoever has only the log comes to the same: every outcome again, with the same ids."""
    loaded = load(path)
    world = loaded.world
    documents = {each.sha256: Version(n, each.sha256, each.site) for n, each in loaded.worlds.items()}
    engine = Engine(site=world.site, site_sha256=world.sha256, origin=GATEWAY)
    walk = Walk(engine=engine, version=documents[world.sha256], gateway=GATEWAY, versions=documents.get)
    report = Replay(walk=walk).run(log_of(loaded), lambda _: None)
    assert [f"{each.sign} {each.line}" for each in report.differences] == []
    assert report.before == report.after


def test_no_two_scenarios_have_one_title() -> None:
    titles = [load(path).scenario.scenario for path in FILES]
    assert len(titles) == len(set(titles))
