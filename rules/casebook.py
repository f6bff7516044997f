"""The engine's side of incidents: opening them, adding to them, counting on from what others wrote.

Theory of operation: a trigger belongs to the newest incident of its *maker* (a rule's id, or a machine's name such as
`panel ground-floor burglary`, which is how alarms of one partition come together) if that incident still waits for
somebody and the trigger comes soon enough: within `group` of the last one or, with `group` None, for as long as the
incident is open. Joining tells nobody anew, so it has bounds: an incident takes in `MOST_JOINS` further triggers and
those of `LONGEST`; none that is more severe than it is; and none at all once it was settled, merged or cancelled. What
may not join opens an incident of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rules.actions import Append, SaveClip, TakeStill
from rules.incidents import SEVERITIES, Entry
from rules.state import Known
from rules.turn import Turn
from rules.units import DAY, SECOND

# Footage older than the ring cannot be had.
CLIP_NOT_AFTER = 20 * SECOND
REMEMBERED_INCIDENTS = 1000
# A door that flaps for days must not hide behind the notification of its first night.
LONGEST = DAY
# A device or a person may have much to say.
LONGEST_TITLE = 200
MOST_JOINS = 100
# Of one maker this many are looked at, newest first: an older one may have been reopened.
LOOK_BACK = 8

_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_FOR_EVER = 2**62
_OVER = frozenset({"incident.resolved", "incident.closed", "incident.cancelled"})
_AGAIN = frozenset({"incident.reopened", "incident.joined"})


class Casebook:
    """Incidents by id in `incidents`, which belongs to the engine's memory. `origin` is the gateway's id: it signs
    what the engine writes."""

    def __init__(self, *, incidents: dict[str, Known], origin: str) -> None:
        self._incidents = incidents
        self._origin = origin
        self._by_maker: dict[str, list[str]] = {}  # oldest first
        for incident, known in incidents.items():
            if known.rule is not None:
                self._by_maker.setdefault(known.rule, []).append(incident)

    def open(
        self,
        turn: Turn,
        maker: str,
        *,
        by: str,
        group: int | None,
        again: dict[str, Any],
        incident: str | None = None,
        **body: Any,
    ) -> str:
        """The incident this belongs to. A trigger of the same `maker` within `group` µs of the last (None: as long as
        the incident is open) joins it with `again` as evidence; else a new one is opened with `body`. `incident` is the
        id it shall have, if footage was kept for it before anybody could say that it would be one."""
        severity, covert = str(body.get("severity", "")), bool(body.get("covert"))
        joined = self._joinable(turn.gt, maker, group, severity, covert)
        if joined is not None:
            known = self._incidents[joined]
            known.last = max(known.last, turn.gt)
            known.joins += 1
            self.append(turn, "incident.evidence", joined, f"again {known.joins}", evidence=again)
            return joined
        incident = incident or turn.id(maker, "incident")
        while incident in self._incidents:  # the second of one maker in one turn
            incident = turn.id(maker, "incident", incident)
        self._incidents[incident] = Known(
            lamport=0, rule=maker, first=turn.gt, last=turn.gt, severity=severity, covert=covert
        )
        self._by_maker.setdefault(maker, []).append(incident)
        self._forget_old()
        self.append(turn, "incident.opened", incident, "opened", by=by, **body)
        return incident

    def current(self, maker: str) -> str | None:
        """The newest incident of a maker that is not over, if there is one."""
        for incident in reversed(self._by_maker.get(maker, ())):
            if not self._incidents[incident].closed:
                return incident
        return None

    def newest(self, makers: Iterable[str]) -> str | None:
        """The newest incident of any of these makers that is not over."""
        found = [incident for maker in makers if (incident := self.current(maker)) is not None]
        return max(found, key=lambda incident: self._incidents[incident].first) if found else None

    def append(self, turn: Turn, kind: str, incident: str, what: str, *, by: str = "Nightporter", **body: Any) -> None:
        """An entry of ours; `what` tells apart two of one kind in one turn. Nothing is written on an incident that is
        no longer remembered."""
        known = self._incidents.get(incident)
        if known is None:
            turn.why(f"incident {incident}", "is too old to be written on")
            return
        known.lamport += 1
        if known.covert:
            body["covert"] = True
        entry = Entry(
            id=turn.id(incident, kind, what),
            kind=kind,
            incident=incident,
            lamport=known.lamport,
            origin=self._origin,
            wall=turn.wall,
            by=by,
            clock=turn.clock,
            gt=turn.gt,
            cause=turn.cause,
            body=body,
        )
        _mark(known, kind, known.lamport)
        turn.do(Append(entry=entry))

    def note(self, turn: Turn, incident: str, text: str, *, by: str = "Nightporter") -> None:
        """Write something down in the incident."""
        self.append(turn, "incident.noted", incident, text, by=by, note=text)

    def cancel(self, turn: Turn, incident: str, *, by: str, note: str | None = None) -> None:
        """The panel was disarmed soon after the alarm: people who were told are told that, too. It still waits for
        somebody to say what it was, and a further alarm opens a new one."""
        self.append(turn, "incident.cancelled", incident, "", by=by, **({"note": note} if note else {}))

    def keep(self, turn: Turn, incident: str, camera: str, *, pre: int, post: int, by: str, ordinal: int = 0) -> None:
        """Footage of this moment for the incident: a still at once, and a clip from `pre` to `post` µs around it."""
        still, clip = self.film(turn, incident, camera, pre=pre, post=post, by=by, ordinal=ordinal)
        self.picture(turn, incident, "still", still, camera)
        self.picture(turn, incident, "clip", clip, camera)

    def picture(self, turn: Turn, incident: str, what: str, name: str, camera: str) -> None:
        """Say in the incident that there is this still or clip (`what`) of it."""
        self.append(turn, "incident.evidence", incident, name, evidence={what: name, "camera": camera})

    def film(
        self, turn: Turn, incident: str, camera: str, *, pre: int, post: int, by: str, ordinal: int = 0
    ) -> tuple[str, str]:
        """The same without a word in the incident, which may not be open yet: the ids of still and clip."""
        clip, still = turn.id(by, ordinal, "clip", camera), turn.id(by, ordinal, "still", camera)
        common: dict[str, Any] = {
            "cause": turn.cause,
            "rule": by,
            "incident": incident,
            "camera": camera,
            "at": turn.gt,
            "wall": turn.wall,
            "not_after": turn.gt + CLIP_NOT_AFTER,
        }
        # The still goes first: it is the first picture that can be outside the building.
        turn.do(TakeStill(id=still, still=still, **common), SaveClip(id=clip, clip=clip, pre=pre, post=post, **common))
        return still, clip

    def learn(self, entry: Entry, *, gt: int) -> None:
        """Somebody else acted: count on from there, and stop grouping into what is settled."""
        known = self._incidents.get(entry.incident)
        if known is None:
            known = Known(lamport=0, rule=None, first=gt, last=gt)
            self._incidents[entry.incident] = known
            self._forget_old()
        known.lamport = max(known.lamport, entry.lamport)
        known.covert = known.covert or entry.body.get("covert") is True
        _mark(known, entry.kind, entry.lamport)

    def _joinable(self, gt: int, maker: str, group: int | None, severity: str, covert: bool) -> str | None:
        """The newest incident of the maker that may take in a trigger now."""
        mine = self._by_maker.get(maker)
        if mine is None or group == 0:
            return None
        for incident in mine[: -LOOK_BACK - 1 : -1]:
            known = self._incidents[incident]
            if (
                not known.closed
                and (group is None or gt - known.last < group)
                and gt - known.first < LONGEST
                and known.joins < MOST_JOINS
                and _RANK.get(severity, 0) <= _RANK.get(known.severity, 0)
                and covert == known.covert
            ):
                return incident
        return None

    def _forget_old(self) -> None:
        while len(self._incidents) > REMEMBERED_INCIDENTS:
            oldest = next(iter(self._incidents))
            maker = self._incidents.pop(oldest).rule
            if maker is not None:
                mine = self._by_maker[maker]
                mine.remove(oldest)  # its first: they were opened in the order in which they are remembered
                if not mine:
                    del self._by_maker[maker]


def _mark(known: Known, kind: str, lamport: int) -> None:
    if kind == "incident.merged":
        known.over = _FOR_EVER
    elif kind in _OVER:
        known.over = max(known.over, lamport)
    elif kind in _AGAIN:
        known.reopened = max(known.reopened, lamport)
