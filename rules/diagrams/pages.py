"""The pages in `rules/zones/`: one for each type of zone, with its picture, its steps and its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.diagrams.lanes import lanes_of
from rules.diagrams.svg import draw
from rules.document.panel import ZONE_TYPES
from rules.panel.zones import RESPONSES
from rules.scenario import Loaded, play
from rules.scenario.times import spoken
from rules.scenario.transcript import happened

_STATES = {
    "disarmed": "disarmed",
    "exiting": "exit delay",
    "armed": "armed, in a mode in which it counts",
    "entering": "entry delay",
}
_ANSWERS = {
    "rest": "nothing",
    "pass": "nothing: somebody is on the way out",
    "leave": "the way out itself: the exit delay may begin anew, once",
    "enter": "the entry delay begins",
    "join": "written down; it rings with the entry when nobody disarms",
    "alarm": "alarm at once",
    "switch": "arms or disarms",
}


def pages(scenarios: Mapping[str, Loaded]) -> dict[str, str]:
    """Every file by its name, from the scenario of each type."""
    files: dict[str, str] = {}
    for kind in ZONE_TYPES:
        loaded = scenarios[kind]
        files[f"{kind}.md"] = page(kind, loaded)
        files[f"{kind}.svg"] = draw(lanes_of(loaded), title=loaded.scenario.scenario, says=_says(loaded))
    files["README.md"] = "\n".join(_index(scenarios)) + "\n"
    return files


def page(kind: str, loaded: Loaded) -> str:
    """The page of one type."""
    lines = [
        f"# Zones of type `{kind}`",
        "",
        _says(loaded),
        "",
        f"![{loaded.scenario.scenario} over time]({kind}.svg)",
        "",
        "Drawn by the engine, which played the steps below; distances tell short from long and are not to scale.",
        "",
        "| After | What happens | What follows |",
        "|---|---|---|",
        *_steps(loaded),
        "",
        "## What its activity means",
        "",
        "| The partition is | Answer |",
        "|---|---|",
        *(f"| {_STATES[state]} | {_ANSWERS[answer]} |" for state, answer in RESPONSES[kind].items()),
        "",
        f"The scenario is [{kind}.yaml]({kind}.yaml), the site [sites/shop.yaml](sites/shop.yaml).",
    ]
    return "\n".join(lines) + "\n"


def _steps(loaded: Loaded) -> Iterator[str]:
    for each in play(loaded):
        remark = f" ({each.step.says})" if each.step.says else ""
        followed = "<br>".join(f"`{line}`" for line in each.lines) or "nothing"
        yield f"| {spoken(each.at)} | {happened(each.step)}{remark} | {followed} |"


def _says(loaded: Loaded) -> str:
    return " ".join(loaded.scenario.says.split())


def _index(scenarios: Mapping[str, Loaded]) -> Iterator[str]:
    yield "# Types of zones"
    yield ""
    yield "What an input means, and when. Each page has a picture drawn by the engine, playing the scenario beside it"
    yield "(`nightporter rules test --show rules/zones`). These files are made: after a change, run `make pages`."
    yield ""
    yield "| Type | In short |"
    yield "|---|---|"
    for kind in ZONE_TYPES:
        first = _says(scenarios[kind]).partition(". ")[0].rstrip(".")
        yield f"| [`{kind}`]({kind}.md) | {first}. |"
