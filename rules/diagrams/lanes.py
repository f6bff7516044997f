"""A scenario as lanes over time: each input, the partition, the siren, and what people outside are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rules.events import (
    AlarmAborted,
    AlarmConfirmed,
    DeviceEvent,
    EffectCommanded,
    Event,
    PartitionArmed,
    PartitionDisarmed,
    PartitionEntering,
    PartitionExiting,
    ZoneAlarmed,
)
from rules.incidents import Entry
from rules.inputs import condition
from rules.scenario import Loaded, story_of

Story = Sequence[tuple[int, Event | Entry]]
Look = Literal["rest", "busy", "armed", "alarm"]


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until `until` (µs after the begin; None: to the end) it is this."""

    since: int
    until: int | None
    says: str
    look: Look


@dataclass(slots=True)
class Lane:
    """One row of a diagram. `dots` are moments with a word."""

    name: str
    spans: list[Span] = field(default_factory=list)
    dots: list[tuple[int, str]] = field(default_factory=list)

    def change(self, at: int, says: str, look: Look) -> None:
        """From now on it is something else."""
        if self.spans:
            last = self.spans.pop()
            if last.since < at:
                self.spans.append(Span(last.since, at, last.says, last.look))
        self.spans.append(Span(at, None, says, look))


def lanes_of(loaded: Loaded) -> list[Lane]:
    """The lanes of a scenario, in the order in which things follow from each other."""
    story = story_of(loaded)
    names = {device.id: device.title for device in loaded.world.site.devices}
    inputs: dict[str, Lane] = {}
    for at, fact in story:
        now = condition(fact) if isinstance(fact, DeviceEvent) else None
        if isinstance(fact, DeviceEvent) and now is not None:
            lane = inputs.setdefault(fact.device, Lane(names.get(fact.device, fact.device)))
            lane.change(at, "" if now == "normal" else now, "rest" if now == "normal" else "busy")
    used = [lane for lane in inputs.values() if any(span.look != "rest" for span in lane.spans)]
    return [*used, *filter(_is_used, (_partition(story), _siren(story, names), _outside(story)))]


def _is_used(lane: Lane) -> bool:
    return len(lane.spans) > 1 or bool(lane.dots)


def _partition(story: Story) -> Lane:
    lane = Lane("Partition", [Span(0, None, "disarmed", "rest")])
    for at, fact in story:
        match fact:
            case PartitionExiting():
                lane.change(at, "exit delay", "busy")
            case PartitionArmed():
                lane.change(at, f"armed {fact.mode}", "armed")
            case PartitionEntering():
                lane.change(at, "entry delay", "busy")
            case PartitionDisarmed():
                lane.change(at, "disarmed", "rest")
            case ZoneAlarmed() if lane.spans[-1].says == "entry delay" and fact.type in ("entry_exit", "follower"):
                lane.change(at, "armed", "armed")
            case _:
                pass
    return lane


def _siren(story: Story, names: dict[str, str]) -> Lane:
    lane = Lane("Siren", [Span(0, None, "", "rest")])
    for at, fact in story:
        if isinstance(fact, EffectCommanded) and fact.value in ("on", "off"):
            lane.name = names.get(fact.device, fact.device)
            lane.change(at, "on" if fact.value == "on" else "", "alarm" if fact.value == "on" else "rest")
    return lane


def _outside(story: Story) -> Lane:
    """Whether people outside know: the abort window, and the moment they are told."""
    lane = Lane("Told outside", [Span(0, None, "", "rest")])
    at_once = {at for at, fact in story if isinstance(fact, Entry) and fact.kind == "incident.opened"}
    words: dict[str, Callable[[Entry], str]] = {
        "incident.opened": lambda entry: "told",
        "incident.cancelled": lambda entry: "cancelled",
    }
    for at, fact in story:
        if isinstance(fact, ZoneAlarmed) and at not in at_once and not fact.silent:
            lane.change(at, "abort window", "busy")
        elif isinstance(fact, AlarmConfirmed | AlarmAborted):
            lane.change(at, "", "rest")
        elif isinstance(fact, Entry) and fact.kind in words:
            lane.dots.append((at, words[fact.kind](fact)))
    return lane
