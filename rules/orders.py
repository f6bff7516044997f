"""What people may ask for through a relay, order by order: what it does, whose right it is, and whether it needs a
code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rules.access.access import Access
from rules.actions import Note
from rules.document import duration
from rules.document.panel import MODES
from rules.document.site import Site
from rules.events import MediaHeld, MediaReleased
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.turn import Turn

Args = dict[str, str]
_REASON = 500  # characters
_LONGEST_ID = 100


class Became(NamedTuple):
    """What became of an order: whether it was done, and the sentence for a person."""

    done: bool
    says: str


def _became(refusal: str | None, done: str) -> Became:
    return Became(True, done) if refusal is None else Became(False, refusal)


@dataclass(frozen=True, slots=True)
class Order:
    """`act` is the right it takes (see `access.levels`); `lowers` says of its words whether protection gets less, which
    takes a code; `partition` names the partition it is about, if it is about one."""

    do: Callable[[Turn, Args, str], Became]
    act: str
    lowers: Callable[[Args], bool]
    partition: Callable[[Args], str | None]


def _always(args: Args) -> bool:
    return True


def _never(args: Args) -> bool:
    return False


def _nowhere(args: Args) -> str | None:
    return None


class Orders:
    """`known` is every order by its name."""

    def __init__(self, *, site: Site, outputs: Outputs, panel: Panel, access: Access) -> None:
        self._site = site
        self._outputs = outputs
        self._panel = panel
        self._access = access
        self._zones = {zone.id: zone.partition for zone in site.zones}
        self._doors = {door.id: door.partition for door in site.doors}
        self._pairs = {keypad.partition for keypad in site.keypads if keypad.two_person}
        here, zone, door = self._named, self._of_zone, self._of_door
        self.known: dict[str, Order] = {
            "silence": Order(self._silence, "silence", _never, _nowhere),
            "arm": Order(self._arm, "arm", self._lightens, here),
            "force-arm": Order(self._force_arm, "bypass", _always, here),
            "disarm": Order(self._disarm, "disarm", _always, here),
            "clear": Order(self._clear, "clear", _always, here),
            "bypass": Order(self._bypass, "bypass", _always, zone),
            "unbypass": Order(self._unbypass, "unbypass", _always, zone),
            "isolate": Order(self._isolate, "isolate", _always, zone),
            "unisolate": Order(self._unisolate, "unisolate", _always, zone),
            "test": Order(self._test, "test", _always, zone),
            "end-test": Order(self._end_test, "test", _always, zone),
            "unlock": Order(self._unlock, "unlock", _always, door),
            "lock": Order(self._lock, "lock", _never, door),
            "forgive": Order(self._forgive, "forgive", _always, _nowhere),
            "lockdown": Order(self._lockdown, "lockdown", lambda args: args.get("set") == "off", _nowhere),
            "threat": Order(self._threat, "threat", self._calms, _nowhere),
            "muster": Order(self._muster, "muster", _never, _nowhere),
            "media.hold": Order(self._hold, "hold", _never, _nowhere),
            "media.release": Order(self._release, "release", _never, _nowhere),
        }

    # --- what it is about ---

    def _named(self, args: Args) -> str | None:
        return args.get("partition")

    def _of_zone(self, args: Args) -> str | None:
        named = args.get("zone")  # a zone, or where one may stand for all of them, a partition
        return self._zones.get(named, named) if named else args.get("partition")

    def _of_door(self, args: Args) -> str | None:
        return self._doors.get(args.get("door", ""))

    def _lightens(self, args: Args) -> bool:
        """Whether an arming that runs already would become a lighter one."""
        now, wanted = self._panel.mode(args.get("partition", "")), args.get("mode", "away")
        return wanted not in ("away", now) and now != "disarmed"

    def _calms(self, args: Args) -> bool:
        level = args.get("level", "")
        return not _whole(level) or int(level) < self._access.threat_level

    # --- the alarm system ---

    def _silence(self, turn: Turn, args: Args, by: str) -> Became:
        partition, device = args.get("partition"), self._site.device(args.get("device", ""))
        if partition is not None:
            return _became(self._panel.silence(turn, partition, by=by), f"the sirens of {partition} told to be silent")
        if device is None or device.type != "siren":
            return Became(False, "name a siren of this site as `device`")
        self._outputs.hold(turn, device.id, "off", duration=None, by=f"command by {by}", action=turn.id("silence"))
        return Became(True, f"{device.title} told to be silent")

    def _arm(self, turn: Turn, args: Args, by: str, *, force: bool = False) -> Became:
        partition, mode = args.get("partition", ""), args.get("mode", "away")
        if mode not in MODES:
            return Became(False, f"{mode} is no mode: {', '.join(MODES)}")
        refusal = self._panel.arm(turn, partition, mode, by=by, force=force)
        return _became(refusal, f"{partition} is being armed ({mode})")

    def _force_arm(self, turn: Turn, args: Args, by: str) -> Became:
        return self._arm(turn, args, by, force=True)

    def _disarm(self, turn: Turn, args: Args, by: str) -> Became:
        partition = args.get("partition", "")
        if partition in self._pairs:  # one code at a relay must not do what takes two at the keypad
            return Became(False, f"two people disarm {partition}, at its keypad")
        return _became(self._panel.disarm(turn, partition, by=by), f"{partition} disarmed")

    def _clear(self, turn: Turn, args: Args, by: str) -> Became:
        partition = args.get("partition", "")
        return _became(self._panel.clear(turn, partition, by=by), f"the alarm memory of {partition} is cleared")

    def _bypass(self, turn: Turn, args: Args, by: str) -> Became:
        zone, reason = args.get("zone", ""), args.get("reason", "")
        return _became(self._panel.bypass(turn, zone, by=by, reason=reason), f"{zone} is bypassed until disarmed")

    def _unbypass(self, turn: Turn, args: Args, by: str) -> Became:
        zone = args.get("zone", "")
        return _became(self._panel.unbypass(turn, zone, by=by), f"{zone} counts again")

    def _isolate(self, turn: Turn, args: Args, by: str) -> Became:
        zone, until = args.get("zone", ""), None
        if "for" in args:
            lasts = _lasts(args["for"])
            if isinstance(lasts, str):
                return Became(False, lasts)
            until = turn.wall + lasts
        refusal = self._panel.isolate(turn, zone, by=by, reason=args.get("reason", ""), until=until)
        return _became(refusal, f"{zone} is isolated" + ("" if until is None else f" for {args['for']}"))

    def _unisolate(self, turn: Turn, args: Args, by: str) -> Became:
        zone = args.get("zone", "")
        return _became(self._panel.unisolate(turn, zone, by=by), f"{zone} counts again")

    def _test(self, turn: Turn, args: Args, by: str) -> Became:
        subject, lasts = args.get("zone") or args.get("partition", ""), _lasts(args.get("for", "1h"))
        if isinstance(lasts, str):
            return Became(False, lasts)
        return _became(self._panel.test(turn, subject, by=by, until=turn.wall + lasts), f"{subject} is on test")

    def _end_test(self, turn: Turn, args: Args, by: str) -> Became:
        subject = args.get("zone") or args.get("partition", "")
        return _became(self._panel.end_test(turn, subject, by=by), f"the test of {subject} is over")

    # --- doors and people ---

    def _unlock(self, turn: Turn, args: Args, by: str) -> Became:
        door, stay = args.get("door", ""), args.get("stay") == "true"
        refusal = self._access.unlock(turn, door, by=by, stay=stay)
        return _became(refusal, f"{door} is unlocked{' until it is locked' if stay else ''}")

    def _lock(self, turn: Turn, args: Args, by: str) -> Became:
        door = args.get("door", "")
        return _became(self._access.lock(turn, door, by=by), f"{door} is locked")

    def _forgive(self, turn: Turn, args: Args, by: str) -> Became:
        person = args.get("person", "")
        return _became(self._access.forgive(turn, person, by=by), f"{person} may pass once more")

    def _lockdown(self, turn: Turn, args: Args, by: str) -> Became:
        wanted = args.get("set", "on")
        if wanted not in ("on", "off"):
            return Became(False, "a lockdown is `set` on or off")
        refusal = self._access.lockdown(turn, wanted == "on", by=by, reason=args.get("reason", ""))
        return _became(refusal, "the site is locked down" if wanted == "on" else "the lockdown is over")

    def _threat(self, turn: Turn, args: Args, by: str) -> Became:
        level = args.get("level", "")
        if not _whole(level):
            return Became(False, "name the threat `level`, a whole number")
        return _became(self._access.threat(turn, int(level), by=by), f"the threat level is {level}")

    def _muster(self, turn: Turn, args: Args, by: str) -> Became:
        areas = self._access.muster(turn, by=by)
        return Became(True, f"{sum(map(len, areas.values()))} people in {len(areas)} areas")

    # --- footage ---

    def _hold(self, turn: Turn, args: Args, by: str) -> Became:
        incident, reason = args.get("incident", ""), args.get("reason", "").strip()
        if not _names(incident):
            return Became(False, "name the `incident` whose footage is to be kept")
        if not reason:
            return Became(False, "a hold needs a `reason`: whoever releases it will want to know")
        fact = MediaHeld(
            id=turn.id("media.held", incident), incident=incident, by=by, reason=reason[:_REASON], **turn.header()
        )
        turn.do(Note(event=fact))
        return Became(True, "the footage of this incident is kept until it is released")

    def _release(self, turn: Turn, args: Args, by: str) -> Became:
        incident = args.get("incident", "")
        if not _names(incident):
            return Became(False, "name the `incident` whose footage is to be released")
        turn.do(
            Note(event=MediaReleased(id=turn.id("media.released", incident), incident=incident, by=by, **turn.header()))
        )
        return Became(True, "the footage of this incident follows the retention again")


def _names(incident: str) -> bool:
    return 0 < len(incident) <= _LONGEST_ID


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _lasts(text: str) -> int | str:
    """Microseconds, or the sentence that says why this is no duration."""
    try:
        return duration(text)
    except ValueError as error:
        return str(error)
