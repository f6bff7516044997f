"""Which incident a trigger belongs to, and what the engine writes on it: the casebook by itself."""

from __future__ import annotations

from typing import Any

import pytest

from rules.actions import Append, SaveClip, TakeStill
from rules.casebook import CLIP_NOT_AFTER, LONGEST, LOOK_BACK, MOST_JOINS, REMEMBERED_INCIDENTS, Casebook
from rules.incidents import Entry, fold
from rules.plain import plain, typed
from rules.state import Known
from rules.turn import Turn, Why

MINUTE = 60_000_000
BURGLARY = "panel hall burglary"


class Desk:
    """A casebook, the time, and everything it wrote. Each step is a turn of its own."""

    def __init__(self) -> None:
        self.memory: dict[str, Known] = {}
        self.book = Casebook(incidents=self.memory, origin="gw")
        self.gt = 1_000 * MINUTE
        self.count = 0
        self.entries: list[Entry] = []
        self.trace: list[Why] = []

    def turn(self, after: int = 0) -> Turn:
        self.gt += after
        self.count += 1
        name = f"fact-{self.count}"
        return Turn(cause=name, seed=name, gt=self.gt, wall=self.gt + 7, clock="synced", trace=self.trace)

    def take(self, turn: Turn) -> list[Entry]:
        found = [action.entry for action in turn.actions if isinstance(action, Append)]
        self.entries += found
        return found

    def alarm(self, after: int = 0, *, maker: str = BURGLARY, group: int | None = 5 * MINUTE, **body: Any) -> str:
        turn = self.turn(after)
        words = {"title": "Alarm", "severity": "high"} | body
        again = {"event": turn.cause, "text": "x"}
        incident = self.book.open(turn, maker, by="Hall", group=group, again=again, **words)
        self.take(turn)
        return incident

    def hear(self, kind: str, incident: str, lamport: int, *, origin: str = "relay", **body: Any) -> None:
        entry = Entry(
            id=f"{kind}-{lamport}-{origin}", kind=f"incident.{kind}", incident=incident, lamport=lamport,
            origin=origin, wall=0, by="Ada", body=body,
        )  # fmt: skip
        self.book.learn(entry, gt=self.gt)

    def restarted(self) -> Casebook:
        """The casebook after snapshot and restore."""
        kept = {name: typed(Known, plain(known)) for name, known in self.memory.items()}
        self.memory = kept
        self.book = Casebook(incidents=kept, origin="gw")
        return self.book


def test_the_first_opens_and_the_next_joins_as_evidence() -> None:
    desk = Desk()
    first = desk.alarm(device="door")
    assert desk.alarm(MINUTE) == first
    opened, again = desk.entries
    assert (opened.kind, opened.by, opened.lamport, opened.origin) == ("incident.opened", "Hall", 1, "gw")
    assert (opened.wall, opened.gt, opened.cause) == (desk.gt - MINUTE + 7, desk.gt - MINUTE, "fact-1")
    assert opened.body == {"title": "Alarm", "severity": "high", "device": "door"}
    assert (again.kind, again.lamport) == ("incident.evidence", 2)
    assert again.body == {"evidence": {"event": "fact-2", "text": "x"}}


@pytest.mark.parametrize(("gap", "joins"), [(-1, True), (0, False), (1, False)])
def test_the_group_ends_a_whole_group_after_the_last_trigger(gap: int, joins: bool) -> None:
    desk = Desk()
    first = desk.alarm()
    assert desk.alarm(4 * MINUTE) == first
    assert (desk.alarm(5 * MINUTE + gap) == first) is joins


def test_without_a_group_it_joins_for_as_long_as_the_incident_is_open() -> None:
    desk = Desk()
    first = desk.alarm(group=None)
    assert desk.alarm(23 * 60 * MINUTE, group=None) == first


def test_a_group_of_nothing_never_joins() -> None:
    desk = Desk()
    assert desk.alarm(group=0) != desk.alarm(group=0)


def test_makers_do_not_share_incidents() -> None:
    desk = Desk()
    assert desk.alarm() != desk.alarm(maker="panel hall fire")
    assert desk.alarm() == desk.book.current(BURGLARY)


@pytest.mark.parametrize(("at", "joins"), [(LONGEST - 1, True), (LONGEST, False), (LONGEST + 1, False)])
def test_an_incident_takes_in_a_day_and_no_more(at: int, joins: bool) -> None:
    desk = Desk()
    first = desk.alarm(group=None)
    assert (desk.alarm(at, group=None) == first) is joins


def test_a_flapping_door_cannot_hide_for_ever_behind_one_notification() -> None:
    desk = Desk()
    incidents = [desk.alarm(1, group=None) for _ in range(2 * MOST_JOINS + 3)]
    assert incidents.count(incidents[0]) == MOST_JOINS + 1
    assert len(set(incidents)) == 3
    assert sum(entry.kind == "incident.opened" for entry in desk.entries) == 3


@pytest.mark.parametrize(
    ("first", "then", "joins"),
    [
        ("medium", "high", False),
        ("high", "critical", False),
        ("high", "high", True),
        ("high", "low", True),
        ("low", "medium", False),
    ],
)
def test_what_is_more_severe_is_told_anew(first: str, then: str, joins: bool) -> None:
    desk = Desk()
    assert (desk.alarm(severity=first) == desk.alarm(severity=then)) is joins


def test_a_secret_never_joins_what_is_none() -> None:
    desk = Desk()
    plain_one = desk.alarm()
    secret = desk.alarm(covert=True)
    assert secret != plain_one
    assert desk.alarm(covert=True) == secret
    turn = desk.turn()
    desk.book.note(turn, secret, "called the police", by="Ada")
    (noted,) = desk.take(turn)
    assert noted.body == {"note": "called the police", "covert": True}, "each of its entries says it"
    desk.hear("opened", "elsewhere", 1, covert=True)
    assert desk.memory["elsewhere"].covert


@pytest.mark.parametrize("kind", ["resolved", "closed", "cancelled", "merged"])
def test_what_is_settled_is_not_joined(kind: str) -> None:
    desk = Desk()
    first = desk.alarm()
    desk.hear(kind, first, 2, into="other")
    assert desk.book.current(BURGLARY) is None
    assert desk.alarm() != first


@pytest.mark.parametrize("kind", ["acknowledged", "started", "assigned", "noted", "unassigned", "split", "evidence"])
def test_what_somebody_has_in_hand_is(kind: str) -> None:
    desk = Desk()
    first = desk.alarm()
    desk.hear(kind, first, 2)
    assert desk.alarm() == first == desk.book.current(BURGLARY)
    assert desk.entries[-1].lamport == 3


@pytest.mark.parametrize("kind", ["reopened", "joined"])
def test_what_was_opened_again_is_and_lamports_decide(kind: str) -> None:
    desk = Desk()
    first = desk.alarm()
    desk.hear("resolved", first, 4)
    desk.hear(kind, first, 3)  # acted before, heard after
    assert desk.book.current(BURGLARY) is None
    desk.hear(kind, first, 4, origin="other")
    assert desk.book.current(BURGLARY) is None, "of two at once the one that tells somebody wins"
    desk.hear(kind, first, 5)
    assert desk.alarm() == first


def test_a_merged_incident_is_over_for_good() -> None:
    desk = Desk()
    first = desk.alarm()
    desk.hear("merged", first, 2, into="other")
    desk.hear("reopened", first, 9)
    assert desk.alarm() != first


def test_an_older_one_that_was_reopened_is_found_behind_newer_ones() -> None:
    desk = Desk()
    first = desk.alarm()
    for _ in range(LOOK_BACK - 1):
        desk.hear("resolved", desk.alarm(group=0), 9)
    assert desk.alarm() == first
    desk.hear("resolved", desk.alarm(group=0), 9)
    assert desk.alarm() != first, "beyond that it is opened anew, which tells somebody"


def test_the_figures() -> None:
    assert LONGEST == 24 * 60 * MINUTE
    assert (MOST_JOINS, LOOK_BACK, REMEMBERED_INCIDENTS, CLIP_NOT_AFTER) == (100, 8, 1000, 20_000_000)


def test_the_newest_of_several_makers_that_still_waits() -> None:
    desk = Desk()
    assert desk.book.newest(["one", "two"]) is None
    first, second = desk.alarm(maker="one"), desk.alarm(1, maker="two")
    assert desk.book.newest(["two", "one"]) == second
    assert desk.book.newest(["one", "three"]) == first
    desk.hear("resolved", second, 9)
    assert desk.book.newest(["one", "two"]) == first


# --- what the panel writes -------------------------------------------------------------------------------------------


def test_cancelling_leaves_it_waiting_and_the_next_alarm_is_a_new_one() -> None:
    desk = Desk()
    first = desk.alarm()
    turn = desk.turn(MINUTE)
    desk.book.cancel(turn, first, by="Ada", note="Disarmed at the keypad.")
    (entry,) = desk.take(turn)
    assert (entry.kind, entry.by, entry.body) == ("incident.cancelled", "Ada", {"note": "Disarmed at the keypad."})
    incident = fold(desk.entries, now=0)
    assert (incident.state, incident.cancelled_by, incident.cancelled) == ("open", "Ada", entry.wall)
    assert desk.alarm() != first


def test_resolving_says_what_it_was() -> None:
    desk = Desk()
    first = desk.alarm()
    turn = desk.turn()
    desk.book.append(turn, "incident.resolved", first, "", by="Nightporter", reason="technical")
    desk.take(turn)
    incident = fold(desk.entries, now=0)
    assert (incident.state, incident.reason, incident.resolved_by) == ("resolved", "technical", "Nightporter")
    assert incident.entries[-1].body == {"reason": "technical"}
    assert desk.alarm() != first


def test_two_notes_of_one_turn_are_two_entries() -> None:
    desk = Desk()
    first, turn = desk.alarm(), desk.turn()
    desk.book.note(turn, first, "one")
    desk.book.note(turn, first, "two")
    one, two = desk.take(turn)
    assert one.id != two.id and (one.lamport, two.lamport) == (2, 3)
    assert (one.by, one.body) == ("Nightporter", {"note": "one"})


def test_two_alarms_of_one_maker_in_one_turn_have_ids_of_their_own() -> None:
    desk = Desk()
    turn = desk.turn()
    for severity in ("medium", "medium", "high", "critical"):
        desk.book.open(turn, BURGLARY, by="Hall", group=None, again={"event": "e"}, title="T", severity=severity)
    entries = desk.take(turn)
    assert len({entry.id for entry in entries}) == 4
    assert len({entry.incident for entry in entries}) == 3


def test_footage_goes_before_its_evidence_and_the_still_before_the_clip() -> None:
    desk = Desk()
    first, turn = desk.alarm(), desk.turn()
    desk.book.keep(turn, first, "yard", pre=10, post=30, by="rule-1", ordinal=2)
    still, clip, *_ = turn.actions
    assert isinstance(still, TakeStill) and isinstance(clip, SaveClip)
    assert (clip.incident, clip.camera, clip.pre, clip.post, clip.rule) == (first, "yard", 10, 30, "rule-1")
    assert (still.at, still.wall, still.cause) == (turn.gt, turn.wall, turn.cause)
    assert still.not_after == clip.not_after == turn.gt + CLIP_NOT_AFTER
    evidence = [entry.body["evidence"] for entry in desk.take(turn)]
    assert evidence == [{"still": still.still, "camera": "yard"}, {"clip": clip.clip, "camera": "yard"}]


def test_what_is_no_longer_remembered_is_not_written_on() -> None:
    desk = Desk()
    turn = desk.turn()
    desk.book.note(turn, "long-ago", "hello")
    assert turn.actions == []
    assert [why.text for why in desk.trace] == ["incident long-ago: is too old to be written on"]


# --- memory ----------------------------------------------------------------------------------------------------------


def test_a_restart_changes_nothing() -> None:
    steady, restarted = Desk(), Desk()
    for n in range(40):
        for desk in (steady, restarted):
            if n % 7 == 3:
                desk.hear("resolved", desk.alarm(), 50)
            desk.alarm(MINUTE * (n % 3), maker=f"rule-{n % 2}", severity=("high", "high", "medium")[n % 3])
        restarted.restarted()
    assert [entry.id for entry in steady.entries] == [entry.id for entry in restarted.entries]
    assert plain(steady.memory) == plain(restarted.memory) and list(steady.memory) == list(restarted.memory)
    kinds = [entry.kind for entry in steady.entries]
    assert kinds.count("incident.evidence") > 5 and kinds.count("incident.opened") > 5, "or it would show nothing"


def test_its_own_entries_coming_back_from_the_log_change_nothing() -> None:
    desk = Desk()
    first, turn = desk.alarm(), desk.turn()
    desk.book.cancel(turn, first, by="Ada")
    desk.book.append(turn, "incident.resolved", first, "", by="Ada", reason="test")
    desk.take(turn)
    before = plain(desk.memory)
    for entry in desk.entries:
        desk.book.learn(entry, gt=desk.gt)
    assert plain(desk.memory) == before


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    desk = Desk()
    first = desk.alarm(group=0)
    second = desk.alarm(group=0)
    for number in range(REMEMBERED_INCIDENTS - 1):
        desk.hear("opened", f"elsewhere-{number}", 1)
    assert len(desk.memory) == REMEMBERED_INCIDENTS
    assert first not in desk.memory and desk.book.current(BURGLARY) == second
    desk.hear("opened", "one-more", 1)
    assert desk.book.current(BURGLARY) is None
    assert desk.alarm(group=None) not in (first, second)
