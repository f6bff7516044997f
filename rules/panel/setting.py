"""Arming and disarming: what must be so before, what begins and ends with it, and partitions that follow others."""

from __future__ import annotations

from rules.events import Mode, PartitionDisarmed, PartitionRefused, ZoneReinstated
from rules.panel.alarms import Alarms
from rules.panel.crossing import Crossing
from rules.panel.leaving_out import LeavingOut
from rules.panel.parts import PartitionPart, ZonePart
from rules.panel.passage import Passage
from rules.panel.readiness import Obstacle, obstacles
from rules.panel.troubles import Troubles
from rules.turn import Turn


class Setting:
    """Sets and unsets partitions, each in its place among those it shares things with."""

    def __init__(
        self, *, alarms: Alarms, crossing: Crossing, leaving: LeavingOut, passage: Passage, troubles: Troubles
    ) -> None:
        self._alarms = alarms
        self._crossing = crossing
        self._leaving = leaving
        self._passage = passage
        self._troubles = troubles

    def ready(self, part: PartitionPart, mode: Mode, *, gt: int) -> list[str]:
        """Why it cannot be armed in this mode now, each a sentence."""
        refusal = self._refusal(part, mode)
        return [refusal] if refusal else [each.reason for each in obstacles(part, mode, gt=gt)]

    def arm(self, turn: Turn, part: PartitionPart, mode: Mode, *, by: str, force: bool = False) -> str | None:
        """Begin to arm; None, or why not."""
        if part.memory.mode == mode and part.memory.state in ("exiting", "armed"):
            return None
        refusal = self._refusal(part, mode)
        if refusal is None and part.owners:
            refusal = f"{part.spec.title} is armed when {' and '.join(o.spec.title for o in part.owners)} are"
        if refusal is not None:
            return self._refused(turn, part, mode, [refusal], by=by)
        return self._arm(turn, part, mode, by=by, force=force)

    def disarm(self, turn: Turn, part: PartitionPart, *, by: str) -> None:
        """Disarm now."""
        was_on = part.is_on
        if was_on:
            part.move("disarm")
            part.memory.mode = part.memory.by = ""
            self._passage.end(part)
            turn.make(PartitionDisarmed, part.id, by=by)
        self._alarms.disarmed(turn, part, by=by, asked_again=not was_on)
        if was_on:
            self._leaving.disarmed(turn, part, by=by)
            for zone in part.zones:
                self._rest(turn, zone, by=by)
            for common in part.common:
                if common.is_on:
                    self.disarm(turn, common, by=by)

    def owner_armed(self, turn: Turn, part: PartitionPart) -> None:
        """Partitions this one shares are armed when all their owners are: away if all are away."""
        if part.memory.state not in ("armed", "entering"):
            return
        for common in part.common:
            if common.is_on or any(owner.memory.state not in ("armed", "entering") for owner in common.owners):
                continue
            modes = {owner.memory.mode for owner in common.owners}
            fitting: list[Mode] = [mode for mode in common.spec.modes if modes == {mode}]
            lighter: list[Mode] = [mode for mode in common.spec.modes if mode != "away"]
            mode = (fitting or lighter or common.spec.modes)[0]
            self._arm(turn, common, mode, by=" and ".join(owner.spec.title for owner in common.owners), force=True)

    def _refusal(self, part: PartitionPart, mode: Mode) -> str | None:
        """Why it is not even tried."""
        if mode not in part.spec.modes:
            return f"{part.spec.title} is never armed in {mode}"
        if part.memory.state == "entering":
            return f"somebody comes in to {part.spec.title}: disarm it first"
        if part.memory.state == "armed" and part.memory.mode != mode:
            return f"{part.spec.title} is armed in {part.memory.mode}: disarm it first"
        return None

    def _refused(self, turn: Turn, part: PartitionPart, mode: Mode, reasons: list[str], *, by: str) -> str:
        turn.why(part.label, "not armed: {}", "; ".join(reasons))
        turn.make(PartitionRefused, part.id, mode=mode, by=by, reasons=reasons)
        return "; ".join(reasons)

    def _arm(self, turn: Turn, part: PartitionPart, mode: Mode, *, by: str, force: bool) -> str | None:
        """Arm a partition that may be; what is not ready stands in the way or is left out."""
        found = obstacles(part, mode, gt=turn.gt)
        standing = [each for each in found if each.stays or not force]
        if standing:
            return self._refused(turn, part, mode, [each.reason for each in standing], by=by)
        self._force(turn, found, by=by)
        if not part.is_on:
            self._alarms.forget(turn, part, by=by)
            for zone in part.zones:
                self._rest(turn, zone, by=by)
        if part.spec.exit_for(mode) and not part.owners:
            self._passage.leave(turn, part, mode, by=by)
        else:
            self._passage.at_once(turn, part, mode, by=by)
        for zone in part.zones:
            self._troubles.window(turn, zone)
        self.owner_armed(turn, part)
        return None

    def _force(self, turn: Turn, found: list[Obstacle], *, by: str) -> None:
        for each in found:
            if each.bypass:
                self._leaving.bypass(turn, each.zone, by=by, reason=f"forced: {each.reason}")
            else:
                turn.why(each.zone.label, "armed past it: {}", each.reason)

    def _rest(self, turn: Turn, zone: ZonePart, *, by: str) -> None:
        """What was counted in one arming does not count in the next; what reacts in every state is no part of it."""
        if zone.memory.shut:
            turn.make(ZoneReinstated, zone.id, partition=zone.partition.id, by=by)
        zone.memory.rings, zone.memory.shut = 0, False
        if zone.by_mode:
            if zone.memory.found:
                turn.why(zone.label, "was held until inputs settle: that is over with this arming")
            zone.memory.found = False
            self._crossing.forget(zone)
        self._troubles.window(turn, zone)
