"""A scenario: a timeline in YAML of what happens in the building. Read whole and checked before anything moves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hwlab import document
from hwlab.document import Problems, Value
from hwlab.errors import LabError
from hwlab.nearest import nearest

SHIPPED = Path(__file__).with_name("scenarios")
DOORS = ("closed", "open")
FIGURES = ("away", "corridor", "door", "inside")
MODES = ("ok", "frozen", "stalled", "down", "garbage", "unauthorised")
BROKER_VERBS = ("stop", "start", "kill", "restart", "freeze", "thaw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A door contact opens or closes."""

    device: str
    open: bool
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A device sends a payload: an object as JSON, a text as it is."""

    device: str
    payload: Any
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A thermometer begins to drift, in degrees a minute."""

    device: str
    per_minute: float
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """A camera changes what it sees (`door`, `figure`) or how it fails (`mode`)."""

    camera: str
    mode: str | None
    door: str | None
    figure: str | None
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDo:
    verb: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """Something the lab does not own; the caller's callable of that name gets the argument."""

    hook: str
    argument: Any
    where: str


Action = Move | Publish | Drift | Show | BrokerDo | HookCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`at` is µs after the start; `say` tells a person what happens, `expect` what they should see."""

    at: int
    say: str
    expect: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`hooks` are the names of what the caller must supply."""

    name: str
    about: str
    hooks: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """How long it takes, to its last step."""
        return self.steps[-1].at / 1_000_000 if self.steps else 0.0


def shipped() -> list[str]:
    """The names of the scenarios that come with the lab."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(scenario: str | Path) -> Path:
    """The file of a shipped scenario by name, or the file itself; LabError with the nearest name."""
    path = Path(scenario)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise LabError(f"there is no scenario file {path}")
        return path
    if str(scenario) not in shipped():
        raise LabError(f"there is no scenario {str(scenario)!r}; {nearest(str(scenario), shipped())}")
    return SHIPPED / f"{scenario}.yaml"


def load(scenario: str | Path) -> Scenario:
    """A shipped scenario by name, or a file; DocumentError lists every mistake in it."""
    path = find(scenario)
    return parse(path.read_text(encoding="utf-8"), file=str(path) if path.parent != SHIPPED else path.name)


def parse(text: str, *, file: str) -> Scenario:
    root, problems = document.parse(text, file=file), Problems()
    top = problems.mapping(root, allowed=("name", "about", "hooks", "steps"))
    for needed in ("name", "steps"):
        if needed not in top and not problems.found:
            problems.add(root, f"the key {needed!r} is missing")
    hooks = tuple(_hook_name(problems, each) for each in problems.items(top["hooks"])) if "hooks" in top else ()
    steps: list[Step] = []
    for each in problems.items(top["steps"]) if "steps" in top else ():
        step = _step(problems, each, hooks)
        if steps and step.at < steps[-1].at and not problems.found:
            problems.add(each, "this step comes before the one above it; write the steps in the order of their time")
        steps.append(step)
    name = problems.text(top["name"]) if "name" in top else ""
    about = problems.text(top["about"]) if "about" in top else ""
    problems.raise_any()
    return Scenario(name=name, about=about, hooks=hooks, steps=tuple(steps))


def _hook_name(problems: Problems, value: Value) -> str:
    word = problems.text(value)
    if word and (word in _ACTIONS or word in _TEXTS or not re.fullmatch(r"[a-z][a-z_]*", word)):
        problems.add(value, f"{word!r} cannot be a hook: use a lower-case word that is not a step key already")
    return word


def _step(problems: Problems, value: Value, hooks: tuple[str, ...]) -> Step:
    entries = problems.mapping(value, allowed=(*_TEXTS, *_ACTIONS, *hooks))
    if isinstance(value.node, yaml.MappingNode) and "at" not in entries:
        problems.add(value, "the key 'at' is missing: when does it happen, counted from the start?")
    actions: list[Action] = []
    for key, entry in entries.items():
        if key in _ACTIONS:
            actions += _ACTIONS[key](problems, entry)
        elif key in hooks:
            actions.append(HookCall(hook=key, argument=document.plain(entry), where=entry.where))
    return Step(
        at=problems.duration(entries["at"]) if "at" in entries else 0,
        say=problems.text(entries["say"]) if "say" in entries else "",
        expect=problems.text(entries["expect"]) if "expect" in entries else "",
        actions=tuple(actions),
    )


def _move(is_open: bool) -> Callable[[Problems, Value], list[Action]]:
    def read(problems: Problems, value: Value) -> list[Action]:
        return [Move(device=problems.text(value), open=is_open, where=value.where)]

    return read


def _publish(problems: Problems, value: Value) -> list[Action]:
    return [
        Publish(device=device, payload=document.plain(entry), where=entry.where)
        for device, entry in problems.mapping(value).items()
    ]


def _drift(problems: Problems, value: Value) -> list[Action]:
    return [
        Drift(device=device, per_minute=problems.number(entry), where=entry.where)
        for device, entry in problems.mapping(value).items()
    ]


def _show(problems: Problems, value: Value) -> list[Action]:
    actions: list[Action] = []
    for camera, entry in problems.mapping(value).items():
        said = problems.mapping(entry, allowed=("mode", "door", "figure"))
        mode = problems.choice(said["mode"], MODES) if "mode" in said else None
        door = problems.choice(said["door"], DOORS) if "door" in said else None
        figure = problems.choice(said["figure"], FIGURES) if "figure" in said else None
        actions.append(Show(camera=camera, mode=mode, door=door, figure=figure, where=entry.where))
    return actions


def _broker(problems: Problems, value: Value) -> list[Action]:
    return [BrokerDo(verb=problems.choice(value, BROKER_VERBS), where=value.where)]


_TEXTS = ("at", "say", "expect")
_ACTIONS: dict[str, Callable[[Problems, Value], list[Action]]] = {
    "open": _move(True),
    "close": _move(False),
    "publish": _publish,
    "drift": _drift,
    "camera": _show,
    "broker": _broker,
}
