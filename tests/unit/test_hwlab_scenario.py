"""A scenario is read whole, and every mistake in it is shown where it was made."""

from __future__ import annotations

import pytest

from hwlab import scenario
from hwlab.errors import DocumentError, LabError
from hwlab.scenario import BrokerDo, Drift, HookCall, Move, Publish, Show


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        scenario.parse(text, file="night.yaml")
    return caught.value.problems


@pytest.mark.parametrize("name", scenario.shipped())
def test_shipped_scenarios_are_sound(name: str) -> None:
    shipped = scenario.load(name)
    assert shipped.name == name
    assert shipped.about
    assert shipped.seconds > 10


def test_the_two_of_the_demo_are_shipped() -> None:
    assert {"break_in", "relay_outage"} <= set(scenario.shipped())
    assert scenario.load("relay_outage").hooks == ("process",)


def test_every_kind_of_step_is_read() -> None:
    read = scenario.parse(
        """
name: all
about: everything once
hooks: [process]
steps:
  - {at: 0s, open: door}
  - {at: 500ms, close: door}
  - {at: 1m30s, publish: {door: {contact: false}, other: "not { json"}}
  - {at: 2m, drift: {temp: -1.5}}
  - {at: 2m, camera: {lobby: {mode: frozen, door: open, figure: inside}}}
  - {at: 1h, broker: kill}
  - {at: 2h, process: {relay: stop}, say: The relay goes., expect: nothing is lost}
""",
        file="all.yaml",
    )
    actions = [action for step in read.steps for action in step.actions]
    assert actions == [
        Move(device="door", open=True, where="all.yaml:6:20"),
        Move(device="door", open=False, where="all.yaml:7:24"),
        Publish(device="door", payload={"contact": False}, where="all.yaml:8:33"),
        Publish(device="other", payload="not { json", where="all.yaml:8:58"),
        Drift(device="temp", per_minute=-1.5, where="all.yaml:9:28"),
        Show(camera="lobby", mode="frozen", door="open", figure="inside", where="all.yaml:10:30"),
        BrokerDo(verb="kill", where="all.yaml:11:22"),
        HookCall(hook="process", argument={"relay": "stop"}, where="all.yaml:12:23"),
    ]
    assert [step.at for step in read.steps[:4]] == [0, 500_000, 90_000_000, 120_000_000]
    assert read.seconds == 7200.0
    assert (read.steps[-1].say, read.steps[-1].expect) == ("The relay goes.", "nothing is lost")


def test_all_mistakes_are_told_at_once_with_the_nearest_word() -> None:
    found = problems(
        """name: bad
stepz: []
steps:
  - {at: 5s, opne: door}
  - {at: 3x}
  - {at: 9s, camera: {lobby: {mode: frosen}}}
  - {open: door}
  - {at: 1s, open: [a]}
"""
    )
    assert found == [
        "night.yaml:2:1: stepz: unknown key 'stepz'; did you mean 'steps'?",
        "night.yaml:4:14: steps.0.opne: unknown key 'opne'; did you mean 'open'?",
        "night.yaml:5:10: steps.1.at: a duration such as 10s, 1m30s, 500ms or 2h is wanted here, not '3x'",
        "night.yaml:6:37: steps.2.camera.lobby.mode: 'frosen' is not known here; did you mean 'frozen'?",
        "night.yaml:7:5: steps.3: the key 'at' is missing: when does it happen, counted from the start?",
        "night.yaml:8:20: steps.4.open: a word or text is wanted here, not a list",
    ]


def test_steps_are_in_the_order_of_time() -> None:
    assert problems("name: x\nsteps:\n  - {at: 5s}\n  - {at: 4s}\n") == [
        "night.yaml:4:5: steps.1: this step comes before the one above it; write the steps in the order of their time"
    ]


def test_an_undeclared_hook_is_an_unknown_key() -> None:
    (found,) = problems("name: x\nsteps: [{at: 0s, process: {relay: stop}}]\n")
    assert found.startswith("night.yaml:2:18: steps.0.process: unknown key 'process'; ")


def test_a_hook_may_not_take_the_name_of_a_step_key() -> None:
    (found,) = problems("name: x\nhooks: [camera]\nsteps: []\n")
    assert "cannot be a hook" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "night.yaml:1:1: the document is empty"),
        ("name: [", "night.yaml:1:8: this is not YAML: "),
        ("- a", "night.yaml:1:1: a mapping (key: value) is wanted here, not a list"),
        ("name: x\nname: y\nsteps: []", "night.yaml:2:1: name: the key 'name' is there twice"),
        ("name: x", "night.yaml:1:1: the key 'steps' is missing"),
    ],
)
def test_broken_documents(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(LabError, match=r"no scenario 'brake_in'; did you mean 'break_in'\?"):
        scenario.load("brake_in")
