"""Outputs: what the engine holds on or off, until when, and the short things it has them do once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rules.actions import Note, Pulse, SetLevel
from rules.events import Boot, EffectCommanded, EffectExpired
from rules.machine import Machine
from rules.state import Level
from rules.timers import Timers
from rules.turn import Turn
from rules.units import MINUTE, SECOND

# A siren that was not reached for a minute is worth trying no longer than it would have sounded.
LEVEL_NOT_AFTER = MINUTE
PULSE_NOT_AFTER = 5 * SECOND
_FOR_EVER = 2**62


class Claim(NamedTuple):
    """Whose an output is, and whether it should be on now as far as they know."""

    by: str
    stands: Callable[[], bool]


class Outputs(Machine):
    """Levels by device in `levels`, which belongs to the engine's memory; their ends are timers `level until
    DEVICE`."""

    def __init__(self, *, levels: dict[str, Level], timers: Timers) -> None:
        self._levels = levels
        self._timers = timers
        self._claimed: dict[str, Claim] = {}

    def claim(self, device: str, *, by: str, stands: Callable[[], bool]) -> None:
        """This output is `by`'s, who states it after a start, not we: it may have to look first. What others hold for
        a time ends in what `stands` says: whether it should be on without them."""
        self._claimed[device] = Claim(by, stands)

    def held(self, device: str) -> Level | None:
        """What the engine holds this output at, if it does."""
        return self._levels.get(device)

    def hold(
        self,
        turn: Turn,
        device: str,
        value: str,
        *,
        duration: int | None,
        by: str,
        action: str,
        shorten: bool = False,
    ) -> None:
        """Hold `device` "on" or "off" for `duration` µs (then the opposite; None: until told otherwise). `by` is the
        rule or machine that wants it, `action` the decision's id. A second trigger prolongs, it does not `shorten`
        unless it says so."""
        until = None if duration is None else turn.gt + duration
        held, claim = self._levels.get(device), self._claimed.get(device)
        # What stands on anyhow is what a stranger's time ends in: it does not make that time endless.
        anyhow = held is not None and claim is not None and held.rule == claim.by != by
        if (
            held is not None
            and held.value == value
            and until is not None
            and (held.until is None or held.until > until)
            and not (shorten or anyhow)
        ):
            until, duration = held.until, held.duration
        self._timers.cancel(f"level until {device}")
        if value == "off" and until is None:
            self._levels.pop(device, None)
        else:
            self._levels[device] = Level(action, by, value, until, duration)
            if until is not None:
                self._timers.set(f"level until {device}", at=until, cause=turn.cause)
        self._set(turn, device, value, until=until, by=by, action=action)

    def pulse(self, turn: Turn, device: str, *, by: str, action: str) -> None:
        """Have `device` do its short thing once; withheld when the message may be a repeat."""
        if not turn.live:
            name = turn.id(action, "expired")
            expired = EffectExpired(id=name, action=action, device=device, reason="redelivered", **turn.header())
            turn.do(Note(event=expired))
            return
        commanded = EffectCommanded(
            id=turn.id(action, "commanded"), action=action, device=device, value="pulse", rule=by, **turn.header()
        )
        not_after = turn.gt + PULSE_NOT_AFTER
        turn.do(
            Pulse(id=action, cause=turn.cause, rule=by, device=device, value="on", not_after=not_after),
            Note(event=commanded),
        )

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """The time of a level is over: the opposite, until told otherwise."""
        level, claim = self._levels[subject], self._claimed.get(subject)
        after, by = "off" if level.value == "on" else "on", level.rule
        if claim is not None:
            after, by = "on" if claim.stands() else "off", claim.by
        self.hold(turn, subject, after, duration=None, by=by, action=turn.id(level.action, "until"))

    def boot(self, turn: Turn, boot: Boot) -> None:
        """Levels are stated again; with an unknown time off a cut-off runs its full length again."""
        for device, level in sorted(self._levels.items()):
            if device in self._claimed:
                continue
            if level.until is not None and boot.off_time is None and level.duration is not None:
                level.until = turn.gt + level.duration
                self._timers.set(f"level until {device}", at=level.until, cause=turn.cause)
            self.again(turn, device)

    def again(self, turn: Turn, device: str) -> None:
        """State the level of this output again, as the decision it is: for who claimed it, after a start."""
        level = self._levels[device]
        self._set(turn, device, level.value, until=level.until, by=level.rule, action=level.action)

    def _set(self, turn: Turn, device: str, value: str, *, until: int | None, by: str, action: str) -> None:
        commanded = EffectCommanded(
            id=turn.id(action, "commanded"),
            action=action,
            device=device,
            value=value,
            rule=by,
            until=until,
            **turn.header(),
        )
        if value == "off":  # silence is owed for as long as it takes
            not_after = _FOR_EVER
        else:
            not_after = turn.gt + LEVEL_NOT_AFTER if until is None else until
        turn.do(
            SetLevel(
                id=action, cause=turn.cause, rule=by, device=device, value=value, until=until, not_after=not_after
            ),
            Note(event=commanded),
        )
