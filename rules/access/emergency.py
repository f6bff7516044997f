"""Emergency keys: panic, fire, help. They need no code and are never locked out."""

from __future__ import annotations

from typing import Literal

from rules.casebook import Casebook
from rules.document.access import Keypad
from rules.document.site import Site
from rules.events import PanicRaised
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.turn import Turn

_GROUP = 300_000_000
_PRE, _POST = 10_000_000, 30_000_000


class Emergency:
    """Panic and fire are the panel's alarms of the partition. Help opens an incident by `keypad KEYPAD help`, with the
    partition's sirens where the document has them sound."""

    def __init__(self, *, site: Site, outputs: Outputs, casebook: Casebook, panel: Panel) -> None:
        self._site = site
        self._outputs = outputs
        self._casebook = casebook
        self._panel = panel
        self._partitions = {partition.id: partition for partition in site.partitions}

    def key(self, turn: Turn, what: Literal["panic", "fire", "help"], keypad: Keypad) -> None:
        """Somebody pressed it."""
        how = getattr(keypad.panic, what)
        if how == "off":
            turn.why(f"keypad {keypad.device}", "its {} key is switched off", what)
            return
        fact = turn.make(PanicRaised, keypad.device, what=what)
        if what == "help":
            self._help(turn, keypad, fact.id, sound=how == "audible")
        else:
            self._panel.holdup(
                turn,
                keypad.partition,
                keypad.device,
                by=self._title(keypad),
                silent=how == "silent",
                kind="hold_up" if what == "panic" else "fire",
            )

    def _help(self, turn: Turn, keypad: Keypad, fact: str, *, sound: bool) -> None:
        maker, site = f"keypad {keypad.device} help", self._site.site
        partition, name = self._partitions[keypad.partition], self._title(keypad)
        for siren in partition.sirens if sound else []:
            action = turn.id(keypad.device, "help", siren)
            self._outputs.hold(turn, siren, "on", duration=partition.siren_for, by=maker, action=action)
        policy = keypad.policy or partition.policy
        incident = self._casebook.open(
            turn,
            maker,
            by="Nightporter",
            group=_GROUP,
            again={"event": fact, "text": f"help called again at {name}"},
            title=f"Help called at {name}"[:200],
            severity="critical",
            rule=maker,
            device=keypad.device,
            device_name=name,
            site=site.id,
            site_name=site.name,
            trigger=fact,
            partition=partition.id,
            **({} if policy is None else {"policy": policy}),
        )
        for camera in keypad.cameras or partition.cameras:
            self._casebook.keep(turn, incident, camera, pre=_PRE, post=_POST, by=maker)

    def _title(self, keypad: Keypad) -> str:
        device = self._site.device(keypad.device)
        return device.title if device is not None else keypad.device
