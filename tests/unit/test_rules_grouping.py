"""Which incident a trigger belongs to."""

from __future__ import annotations

import pytest

from rules.casebook import REMEMBERED_INCIDENTS
from rules.incidents import Entry
from tests.unit.playbook import INCIDENT, SECOND, Playbook, closed, entry, nothing, opened

AGAIN = ["evidence contact.opened again: Server room door"]
NEW = ["opened Server room door opened (high)"]


def test_a_further_trigger_joins_the_incident_and_counts_on() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing >> opened("door") << AGAIN
    (again,) = play.entries()
    assert (again.incident, again.lamport) == (play.incidents[0], 2)


@pytest.mark.parametrize(("gap", "joins"), [(300 * SECOND - 1, True), (300 * SECOND, False), (300 * SECOND + 1, False)])
def test_the_group_ends_a_whole_group_after_the_last_trigger(gap: int, joins: bool) -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> opened("door", after="3m") << AGAIN >> closed("door", after=0) << nothing
    play >> opened("door", after=gap) << (AGAIN if joins else NEW)


def test_rules_do_not_share_incidents() -> None:
    play = Playbook(INCIDENT + INCIDENT.replace("alarm", "other").replace("contact.opened", "contact.closed"))
    play >> opened("door") << NEW >> closed("door") << NEW


def test_a_resolved_incident_is_not_joined() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("resolved", lamport=2) << nothing >> opened("door") << NEW
    assert len(play.incidents) == 2


def test_an_acknowledged_one_is_and_so_is_a_reopened_one() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("acknowledged", lamport=2) << nothing >> opened("door") << AGAIN >> closed("door") << nothing
    play >> entry("resolved", lamport=4) << nothing >> entry("reopened", lamport=5) << nothing
    play >> opened("door") << AGAIN


def test_two_relays_entries_count_by_lamport_not_by_arrival() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("resolved", lamport=7) << nothing
    play >> entry("reopened", lamport=5, origin="relay-2") << nothing  # acted before, heard after
    play >> opened("door") << NEW


def test_of_two_at_once_the_one_that_tells_somebody_wins() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("resolved", lamport=2) << nothing >> entry("reopened", lamport=2, origin="relay-2") << nothing
    play >> opened("door") << NEW


def test_a_merged_incident_is_over_for_good() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("merged", lamport=2, into="other") << nothing >> entry("reopened", lamport=3) << nothing
    play >> opened("door") << NEW


def test_entries_from_elsewhere_raise_the_lamport_and_old_ones_do_not_lower_it() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door") << NEW >> closed("door") << nothing
    play >> entry("noted", lamport=41, note="on my way") << nothing >> entry("noted", lamport=3, note="late") << nothing
    play >> opened("door") << AGAIN
    assert play.entries()[0].lamport == 42


def test_an_incident_nobody_here_knows_is_remembered_for_its_lamport() -> None:
    play = Playbook(INCIDENT)
    play.incidents.append("elsewhere")
    play >> entry("opened", lamport=1, title="Gateway lost", severity="high") << nothing >> opened("door") << NEW


def test_memory_of_incidents_is_bounded_and_the_oldest_goes_first() -> None:
    play = Playbook(INCIDENT.replace("title", "group: 0s, title"))
    for _ in range(3):
        play >> opened("door") << NEW >> closed("door") << nothing
    engine = play.engine
    for number in range(REMEMBERED_INCIDENTS):
        engine.step(
            Entry(id=str(number), kind="incident.opened", incident=str(number), lamport=1, origin="r", wall=0, by="r")
        )
    assert len(engine._state.incidents) == REMEMBERED_INCIDENTS
    assert play.incidents[0] not in engine._state.incidents
