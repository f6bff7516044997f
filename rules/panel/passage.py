"""On the way out and on the way in: exit and entry delays, and what becomes of them.

Theory of operation. The exit delay begins with arming. A way out that was opened and closed and is opened again
restarts it once. When it ends and a way out is open, that is an exit error: the entry delay begins as if somebody came
in. When nobody opened a way out at all, and the document wants it so, the partition is armed to stay, for somebody did.
The entry delay begins with an entry zone; another one may shorten it and never prolongs it. When it ends, the zone it
began with rings, and with it what else was seen on the way in.
"""

from __future__ import annotations

from rules.document.panel import MODES
from rules.events import ExitFailed, Mode, PartitionArmed, PartitionEntering, PartitionExiting, ZoneIgnored
from rules.panel.alarms import Alarms
from rules.panel.parts import Means, PartitionPart, ZonePart
from rules.turn import Turn

_MODES: dict[str, Mode] = {mode: mode for mode in MODES}


class Passage:
    """Timers: `panel exit PARTITION`, `panel entry PARTITION`."""

    def __init__(self, *, means: Means, alarms: Alarms, zones: dict[str, ZonePart]) -> None:
        self._timers = means.timers
        self._alarms = alarms
        self._zones = zones

    def leave(self, turn: Turn, partition: PartitionPart, mode: Mode, *, by: str) -> None:
        """Begin the exit delay."""
        memory = partition.memory
        partition.move("arm")
        memory.mode, memory.by = mode, by
        memory.left, memory.restarted = 0, False
        self._exit(turn, partition, mode)

    def at_once(self, turn: Turn, partition: PartitionPart, mode: Mode, *, by: str) -> None:
        """Armed without delay."""
        partition.move("arm_at_once")
        self._timers.cancel(f"panel exit {partition.id}")
        partition.memory.mode, partition.memory.by = mode, by
        self._armed(turn, partition)
        self._active_before(turn, partition)

    def way_out(self, turn: Turn, zone: ZonePart) -> None:
        """A way out opens during the exit delay."""
        partition, memory = zone.partition, zone.partition.memory
        if memory.left and not memory.restarted and partition.spec.exit_restart:
            memory.restarted = True
            partition.move("exit_restarted")
            turn.why(zone.label, "opened again: the exit delay begins anew, once")
            self._exit(turn, partition, _MODES[memory.mode])
        else:
            turn.why(zone.label, "the way out, during the exit delay")

    def exit_over(self, turn: Turn, partition: PartitionPart) -> None:
        """Nobody is left inside now, or somebody is."""
        memory = partition.memory
        open_ways = [zone for zone in partition.zones if self._is_way_out(zone) and zone.memory.condition == "active"]
        stays = partition.spec.auto_stay and memory.mode == "away" and not memory.by.startswith("schedule ")
        if stays and not memory.left and not open_ways:
            turn.why(partition.label, "nobody left: armed to stay")
            memory.mode = "stay"
        if not open_ways:
            partition.move("exit_over")
            self._armed(turn, partition)
            self._active_before(turn, partition)
            return
        delays = [zone.entry_for(memory.mode) for zone in open_ways]
        partition.move("exit_failed" if all(delays) else "exit_over")
        self._armed(turn, partition)
        for zone in open_ways:
            turn.why(zone.label, "still open when the exit delay ended: exit error")
            turn.make(ExitFailed, partition.id, ordinal=zone.id, zone=zone.id)
        self._active_before(turn, partition)
        if not all(delays):
            for zone in open_ways:
                self._alarms.ring(turn, zone, more=" (exit error)")
            return
        memory.entered, memory.failed = [zone.id for zone in open_ways], True
        self._entry(turn, partition, open_ways[0], turn.gt + min(delays))

    def come_in(self, turn: Turn, zone: ZonePart, *, over: bool) -> None:
        """An entry zone is active: the entry delay begins, or goes on."""
        partition, memory = zone.partition, zone.partition.memory
        delay = zone.entry_for(memory.mode)
        if not delay:
            self._alarms.ring(turn, zone, over=over)
            return
        until = turn.gt + delay
        running = self._timers.get(f"panel entry {partition.id}")
        partition.move("enter")
        if zone.id not in memory.entered:
            memory.entered.append(zone.id)
        if running is None or until < running.at:
            turn.why(zone.label, "somebody comes in: the entry delay runs")
            self._entry(turn, partition, zone, until)
        else:
            turn.why(zone.label, "the entry delay runs already")

    def go_on(self, turn: Turn, zone: ZonePart) -> None:
        """A follower is active while somebody comes in."""
        turn.why(zone.label, "on the way in, during the entry delay")
        if zone.id not in zone.partition.memory.entered:
            zone.partition.memory.entered.append(zone.id)

    def entry_over(self, turn: Turn, partition: PartitionPart) -> None:
        """Nobody disarmed: the zone it began with rings, and what else was seen on the way in."""
        entered, partition.memory.entered = partition.memory.entered, []
        partition.move("entry_over")
        failed, partition.memory.failed = partition.memory.failed, False
        rung = False
        for name in entered:
            zone = self._zones[name]
            if zone.left_out or zone.memory.testing is not None:
                turn.why(zone.label, "left out meanwhile: it does not ring with the entry")
                continue
            self._alarms.ring(turn, zone, over=True, along=rung, more=" (exit error)" if failed else "")
            rung = True

    def end(self, partition: PartitionPart) -> None:
        """No delay runs any longer: disarmed."""
        self._timers.cancel(f"panel exit {partition.id}")
        self._timers.cancel(f"panel entry {partition.id}")
        partition.memory.entered, partition.memory.failed = [], False

    def _active_before(self, turn: Turn, partition: PartitionPart) -> None:
        """What nobody will hear of until it was normal once: told, for somebody relies on it from now on."""
        for zone in partition.zones:
            memory = zone.memory
            if memory.condition != "active" or not zone.by_mode or memory.alarmed or self._is_way_out(zone):
                continue
            if zone.expected and not zone.left_out and memory.testing is None:
                reason = f"{zone.noun} since before it was armed: counts from its next activity"
                turn.why(zone.label, "{}", reason)
                turn.make(ZoneIgnored, zone.id, ordinal="armed", partition=partition.id, reason=reason)

    def _is_way_out(self, zone: ZonePart) -> bool:
        if zone.spec.type != "entry_exit" or zone.partition.memory.mode not in zone.modes:
            return False
        return not zone.left_out and zone.memory.testing is None

    def _exit(self, turn: Turn, partition: PartitionPart, mode: Mode) -> None:
        until = turn.gt + partition.spec.exit_for(mode)
        self._timers.set(f"panel exit {partition.id}", at=until, cause=turn.cause)
        turn.make(PartitionExiting, partition.id, mode=mode, until=until, by=partition.memory.by)

    def _entry(self, turn: Turn, partition: PartitionPart, zone: ZonePart, until: int) -> None:
        self._timers.set(f"panel entry {partition.id}", at=until, cause=turn.cause)
        turn.make(PartitionEntering, partition.id, ordinal=zone.id, zone=zone.id, until=until)

    def _armed(self, turn: Turn, partition: PartitionPart) -> None:
        mode = _MODES[partition.memory.mode]
        out = [zone.id for zone in partition.zones if (not zone.by_mode or mode in zone.modes) and zone.left_out]
        turn.make(PartitionArmed, partition.id, mode=mode, by=partition.memory.by, bypassed=out)
