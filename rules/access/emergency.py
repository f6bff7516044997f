"""Emergency keys: panic, fire, help. They need no code and are never locked out."""

from __future__ import annotations

from typing import Literal

from rules.access.report import Reports
from rules.document.access import Keypad
from rules.document.site import Site
from rules.events import PanicRaised
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.turn import Turn


class Emergency:
    """Panic and fire are the panel's alarms of the partition. Help opens an incident by `keypad KEYPAD help`, with the
    partition's sirens where the document has them sound."""

    def __init__(self, *, site: Site, outputs: Outputs, reports: Reports, panel: Panel) -> None:
        self._outputs = outputs
        self._reports = reports
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
                by=self._reports.called(keypad.device),
                silent=how == "silent",
                kind="hold_up" if what == "panic" else "fire",
            )

    def _help(self, turn: Turn, keypad: Keypad, fact: str, *, sound: bool) -> None:
        maker, partition = f"keypad {keypad.device} help", self._partitions[keypad.partition]
        name = self._reports.called(keypad.device)
        for siren in partition.sirens if sound else []:
            action = turn.id(keypad.device, "help", siren)
            self._outputs.hold(turn, siren, "on", duration=partition.siren_for, by=maker, action=action)
        self._reports.tell(
            turn,
            maker,
            fact,
            title=f"Help called at {name}",
            again=f"help called again at {name}",
            severity="critical",
            device=keypad.device,
            name=name,
            policy=keypad.policy or partition.policy,
            cameras=keypad.cameras or partition.cameras,
            partition=partition.id,
        )
