"""A house with an alarm panel, for playbooks: every zone type, two partitions and the hall they share.

A person's wishes come as commands whose name is the panel's own word (`asked("arm", partition="house", mode="away")`),
answered with `done` or the sentence that refuses. Beside what a playbook checks anyway (restored at every step, from
the log, over the wire), an engine that nobody ever wakes must have done the same by the next fact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from rules.actions import Action, Note, WakeMe
from rules.commands import Commands
from rules.document import Places
from rules.document.site import Site, load_site
from rules.engine import Engine
from rules.events import CommandDecided, CommandReceived, Event, MadeEvent, Mode, TimePassed
from rules.incidents import Entry
from rules.panel.panel import Panel
from rules.scenario.lines import say
from rules.turn import Turn
from tests.unit.playbook import GATEWAY, ZURICH, Playbook, Step, asked, closed, opened, passes, told

# What plays say again and again.
NOTHING: list[str] = []
LOUD = "horn on 180s"
OFF = ["horn off", "alarm.silenced house by Ada"]
DISARMED = "partition.disarmed house by Ada"
LEAVES = "partition.exiting house away for 1m by Ada"
ARMED = "partition.armed house away by Ada"
ENTERS = "partition.entering house front-door for 30s"
CONTACTS = (
    "front", "back", "hall", "window", "pane", "lounge", "study", "vault", "alarm-button", "smoke", "co", "wet", "lid",
    "boiler", "key",
)  # fmt: skip
DOCUMENT = """
site: {id: house, name: The House, timezone: Europe/Zurich}
devices:
DEVICES
  - {id: press, type: button, mqtt: {topic: b/press, field: state, on: pressed}}
  - {id: line, type: input, mqtt: {topic: b/line, field: state, normal: n, active: a, short: s, open: o}}
  - {id: horn, type: siren, mqtt: {topic: b/horn, field: state, on: ON, off: OFF,
      command: {topic: b/horn/set, on: ON, off: OFF}}}
  - {id: bell, type: siren, mqtt: {topic: b/bell, field: state, on: ON, off: OFF,
      command: {topic: b/bell/set, on: ON, off: OFF}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
partitions:
  - {id: house, name: House, modes: [away, stay, night, custom], sirens: [horn]}
zones:
ZONES
rules: []
"""
# zone: (device, type, more)
ZONES: dict[str, tuple[str, str, str]] = {
    "front-door": ("front", "entry_exit", ""),
    "back-door": ("back", "entry_exit", "entry_delay: 10s"),
    "hallway": ("hall", "follower", ""),
    "kitchen-window": ("window", "perimeter", ""),
    "skylight": ("pane", "perimeter", ""),
    "lounge-motion": ("lounge", "interior", ""),
    "study-motion": ("study", "interior", ""),
    "safe": ("vault", "24h", ""),
    "panic": ("alarm-button", "hold_up", ""),
    "smoke-detector": ("smoke", "fire", ""),
    "co-detector": ("co", "co", ""),
    "cellar-water": ("wet", "water", ""),
    "panel-lid": ("lid", "tamper", ""),
    "boiler-fault": ("boiler", "technical", ""),
    "key": ("key", "key_switch", ""),
    "desk-button": ("press", "hold_up", "silent: false"),
    "loop": ("line", "perimeter", ""),
}


def document(*, partition: str = "", zones: dict[str, str] | None = None, more: str = "") -> str:
    """The house; `partition` are further words of the one there is, `zones` of its zones by name, `more` comes last."""
    devices = "\n".join(
        f"  - {{id: {name}, type: contact, mqtt: {{topic: b/{name}, field: contact, open: false, closed: true}}}}"
        for name in CONTACTS
    )
    lines = []
    for name, (device, kind, words) in ZONES.items():
        rest = ", ".join(filter(None, (words, (zones or {}).get(name, ""))))
        lines.append(
            f"  - {{id: {name}, device: {device}, type: {kind}, partition: house{', ' if rest else ''}{rest}}}"
        )
    text = DOCUMENT.replace("DEVICES", devices).replace("ZONES", "\n".join(lines)).replace("rules: []\n", more)
    return text.replace("sirens: [horn]}", f"sirens: [horn]{', ' if partition else ''}{partition}}}")


@cache
def _site(text: str) -> Site:
    return load_site(text, "house.yaml")


class _Orders:
    """Takes commands as the panel's own words."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def take(self, turn: Turn, event: CommandReceived) -> None:
        panel, args = self._panel, dict(event.args)
        by = args.pop("by", "Ada")
        until = args.pop("until", None)
        moment = {} if until is None else {"until": turn.wall + int(until)}
        words: dict[str, Any] = {**args, **moment}
        answer: str | None
        if event.name == "arm":
            force = words.pop("force", "") == "yes"
            answer = panel.arm(turn, words["partition"], cast(Mode, words["mode"]), by=by, force=force)
        elif event.name in ("disarm", "silence", "clear"):
            answer = getattr(panel, event.name)(turn, words["partition"], by=by)
        elif event.name == "holdup":
            silent = words.pop("silent", "") == "yes"
            answer = panel.holdup(turn, **words, by=by, silent=silent)
        else:
            subject = words.pop("zone")
            answer = getattr(panel, event.name)(turn, subject, by=by, **words)
        state: Any = "done" if answer is None else "refused"
        decided = CommandDecided(
            id=turn.id("decided"), command=event.command, state=state, reason=answer or "", **turn.header()
        )
        turn.do(Note(event=decided))


class PanelEngine(Engine):
    """An engine whose commands go straight to the panel."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self._commands = cast(Commands, _Orders(self._panel))

    @property
    def panel(self) -> Panel:
        """Its panel, to be asked."""
        return self._panel


class House(Playbook):
    """A playbook whose document is a house, and whose lines name what the panel made known."""

    def __init__(self, text: str = "", *, at: str = "2026-01-14 20:00:00", settled: bool = True, **words: Any) -> None:
        self._text = text or document(**words)
        super().__init__("", at=at)
        self._asleep = self._new()
        self._owed: list[Action] = []
        if settled:
            self.quiet()

    def quiet(self) -> None:
        """Everything says once that it is normal, as on the day the house was handed over."""
        for device in self.site.devices:
            if device.type in ("contact", "input"):
                word = told("input.reported", device.id, after=1, state="normal")
                fact = (word if device.type == "input" else closed(device.id, after=1))(self)
                for engine in (self.engine, self._from_log, self._asleep, *self._shadows):
                    assert all(isinstance(action, WakeMe) for action in engine.step(fact))

    def _load(self, rules: str) -> Site:
        return _site(self._text)

    def _new(self) -> PanelEngine:
        return PanelEngine(site=self.site, site_sha256=self.sha256, origin=GATEWAY)

    def _restore(self, data: bytes) -> Engine:
        return PanelEngine.restore(data, site=self.site, site_sha256=self.sha256, origin=GATEWAY)

    def __rshift__(self, step: Callable[[Playbook], Event | Entry]) -> House:
        super().__rshift__(step)
        self._owed += [action for action in self.actions if not isinstance(action, WakeMe)]
        if not isinstance(self.last, TimePassed):
            assert self.last is not None
            done = [action for action in self._asleep.step(self.last) if not isinstance(action, WakeMe)]
            assert done == self._owed, "with nobody waking it, the engine acts differently"
            assert self._asleep.snapshot() == self.engine.snapshot()
            self._owed = []
        return self

    def __lshift__(self, expected: list[str]) -> House:
        super().__lshift__(expected)
        return self

    def said(self) -> list[str]:
        """As a playbook, without wakes, and with each fact in words; who asks has looked."""
        self._stated = True
        lines = []
        for line, action in zip(super().said_of(), self.shown(), strict=True):
            if isinstance(action, WakeMe):
                continue
            if isinstance(action, Note) and isinstance(action.event, MadeEvent):
                line = say(action.event, zone=ZURICH)
            elif isinstance(action, Note) and isinstance(action.event, CommandDecided):
                line = f"refused: {action.event.reason}" if action.event.state == "refused" else "done"
            lines.append(line)
        return [line for line in lines if line != "done"]

    def walk(self, *steps: Step) -> House:
        """Steps whose consequences are another test's affair."""
        for step in steps:
            self >> step
            self._stated = True
        return self

    @property
    def panel(self) -> Panel:
        """The panel, to be asked."""
        assert isinstance(self.engine, PanelEngine)
        return self.engine.panel

    @property
    def trace(self) -> list[str]:
        """Why the last step did what it did."""
        return [why.text for why in self.engine.trace]


# --- words ---------------------------------------------------------------------------------------------------------


def arms(mode: str = "away", *, partition: str = "house", **words: Any) -> Step:
    """Ada arms."""
    return asked("arm", partition=partition, mode=mode, **words)


def disarms(*, partition: str = "house", **words: Any) -> Step:
    """Ada disarms."""
    return asked("disarm", partition=partition, **words)


def armed(mode: str = "away", **words: Any) -> House:
    """A house armed in this mode, its exit delay over."""
    play = House(**words)
    play.walk(arms(mode))
    play.walk(passes("1m"))
    return play


def into(state: str) -> House:
    """A house whose arming stands at this state."""
    play = House(partition="exit_delay: {away: 1m, stay: 1m, night: 0s}")
    if state != "disarmed":
        play >> arms() << [LEAVES]
    if state in ("armed", "entering"):
        play >> passes("1m") << [ARMED]
    if state == "entering":
        play >> opened("front") << [ENTERS] >> closed("front") << NOTHING
    assert play.panel.state("house") == state
    return play


def reports(device: str, state: str, **words: Any) -> Step:
    """A four-state input says what it is."""
    return told("input.reported", device, state=state, **words)


def presses(**words: Any) -> Step:
    """The button under the desk is pressed."""
    return told("button.pressed", "press", **words)


def places(text: str) -> Any:
    """The data of a document."""
    return Places(text=text, file="house.yaml").data
