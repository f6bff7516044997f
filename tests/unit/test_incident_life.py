"""Incidents: the life-cycle table pair by pair, and what each kind of entry leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.incidents import ENTRY_KINDS, LIFE, OVER, REASONS, SEVERITIES, WAITING, Entry, fold
from rules.incidents.life import STATES
from tests.unit.incident_samples import BODY, WAYS, make, walk

OTHERS = sorted(set(ENTRY_KINDS) - {"incident.opened"})


def test_the_table_names_only_known_states_and_kinds() -> None:
    assert set(WAYS) == set(LIFE) == set(STATES)
    for arrows in LIFE.values():
        assert set(arrows) <= set(ENTRY_KINDS)
        assert set(arrows.values()) <= set(LIFE)
    assert set(ENTRY_KINDS) - {kind for arrows in LIFE.values() for kind in arrows} == {
        "incident.evidence",
        "incident.noted",
        "incident.notified",
        "incident.assigned",
        "incident.unassigned",
        "incident.cancelled",
        "incident.split",
    }
    assert set(WAITING) | set(OVER) | {"acknowledged", "in_progress"} == set(LIFE)


@pytest.mark.parametrize("state", sorted(LIFE))
def test_the_shortest_way_leads_there(state: str) -> None:
    assert state == "none" or walk(WAYS[state]).state == state


@pytest.mark.parametrize("kind", ENTRY_KINDS)
@pytest.mark.parametrize("state", sorted(LIFE))
def test_every_pair_of_state_and_entry(state: str, kind: str) -> None:
    kinds = [*WAYS[state], kind]
    incident = walk(kinds)
    assert incident.state == LIFE[state].get(kind, state)
    assert [entry.kind for entry in incident.entries] == kinds
    assert incident.lamport == len(kinds)


def test_an_acknowledged_incident_takes_whatever_an_open_one_does() -> None:
    # Whoever acted may have seen the acknowledgement lapsed, whoever folds may not.
    assert set(LIFE["open"]) <= set(LIFE["acknowledged"])


def test_merged_is_reached_from_everywhere_and_left_by_nothing() -> None:
    assert all(arrows.get("incident.merged") == "merged" for state, arrows in LIFE.items() if state != "merged")
    assert LIFE["merged"] == {}


def test_only_what_was_resolved_is_closed() -> None:
    assert [state for state, arrows in LIFE.items() if "incident.closed" in arrows] == ["resolved"]


def test_what_the_opening_says() -> None:
    incident = walk(["incident.opened"])
    assert (incident.title, incident.severity, incident.policy, incident.rule) == ("Door", "high", "p", "r")
    assert (incident.device, incident.opened, incident.id) == ("d", 10, "i")
    nothing = (incident.reason, incident.assignee, incident.cancelled, incident.started_by, incident.closed_by)
    assert nothing == (None,) * 5
    assert (incident.covert, incident.split_from, incident.merged_from, incident.split_into) == (False, None, (), ())


def test_an_incident_whose_opening_has_not_arrived() -> None:
    incident = walk(["incident.acknowledged", "incident.evidence"])
    assert (incident.state, incident.severity, incident.opened, incident.policy) == ("none", "high", None, None)
    assert incident.title == "Incident (its opening has not arrived yet)"
    assert incident.clips == ("c1",)


def test_the_opening_counts_first_even_when_it_was_seen_last() -> None:
    entries = [make("incident.acknowledged", 1, origin="relay"), make("incident.opened", 2)]
    assert fold(entries, now=0).state == "acknowledged"


def test_of_two_openings_the_first_counts() -> None:
    entries = [make("incident.opened", 2, title="later"), make("incident.opened", 1, title="first")]
    incident = fold([*entries, make("incident.noted", 3)], now=0)
    assert (incident.title, incident.opened, incident.state, len(incident.entries)) == ("first", 10, "open", 3)


def test_an_unknown_severity_is_taken_seriously() -> None:
    for severity in (*SEVERITIES, "catastrophic", ""):
        incident = fold([make("incident.opened", 1, severity=severity)], now=0)
        assert incident.severity == (severity if severity in SEVERITIES else "high")


def test_who_did_what() -> None:
    did = [
        make("incident.opened", 1),
        make("incident.acknowledged", 2, by="Ada"),
        make("incident.started", 3, by="Bo"),
        make("incident.resolved", 4, by="Cy", reason="test"),
        make("incident.closed", 5, by="Di"),
        make("incident.reopened", 6, by="Ed"),
    ]

    def after(count: int) -> tuple[str | None, ...]:
        found = fold(did[:count], now=0)
        return (found.acknowledged_by, found.started_by, found.resolved_by, found.closed_by, found.reason)

    assert after(1) == (None, None, None, None, None)
    assert after(2) == ("Ada", None, None, None, None)
    assert after(3) == ("Ada", "Bo", None, None, None)
    assert after(4) == ("Ada", "Bo", "Cy", None, "test")
    assert after(5) == ("Ada", "Bo", "Cy", "Di", "test")
    assert after(6) == (None, None, None, None, None), "reopening forgets who had it in hand, and what it was thought"


def test_the_last_who_started_works_on_it() -> None:
    started = [make("incident.opened", 1), make("incident.started", 2, by="Ada"), make("incident.started", 3, by="Bo")]
    assert fold(started, now=0).started_by == "Bo"


def test_of_two_who_resolve_the_first_in_order_did() -> None:
    entries = [make("incident.opened", 1), make("incident.resolved", 2, origin="b", by="Bo", reason="real")]
    entries.append(make("incident.resolved", 2, origin="a", by="Ada", reason="test"))
    incident = fold(entries, now=0)
    assert (incident.resolved_by, incident.reason) == ("Ada", "test")


# --- reasons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [*REASONS, "struck_by_lightning"])
def test_a_reason_is_kept_as_it_is_said(reason: str) -> None:
    entries = [make("incident.opened", 1), make("incident.resolved", 2, reason=reason)]
    assert fold(entries, now=0).reason == reason


def test_closing_may_correct_the_reason_and_need_not() -> None:
    entries = [make("incident.opened", 1), make("incident.resolved", 2, reason="real")]
    assert fold([*entries, make("incident.closed", 3)], now=0).reason == "real"
    assert fold([*entries, make("incident.closed", 3, reason="test")], now=0).reason == "test"


def test_a_reason_of_an_entry_that_moves_nothing_does_not_count() -> None:
    entries = [make("incident.opened", 1), make("incident.closed", 2, reason="real")]
    assert (fold(entries, now=0).state, fold(entries, now=0).reason) == ("open", None)


# --- acknowledgements that lapse -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "state"), [(99, "acknowledged"), (100, "open"), (101, "open")])
def test_an_acknowledgement_lapses_at_its_moment(now: int, state: str) -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100)]
    incident = fold(entries, now=now)
    assert incident.state == state
    assert incident.acknowledged_by == ("Ada" if state == "acknowledged" else None)
    assert incident.acknowledged_until == 100


@pytest.mark.parametrize(("kind", "state"), [("started", "in_progress"), ("resolved", "resolved")])
def test_a_lapsed_acknowledgement_does_not_open_what_went_on(kind: str, state: str) -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100), make(f"incident.{kind}", 3)]
    assert fold(entries, now=1000).state == state


def test_a_second_acknowledgement_holds_on_when_the_first_lapses() -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100)]
    entries.append(make("incident.acknowledged", 3, by="Bo"))
    incident = fold(entries, now=1000)
    assert (incident.state, incident.acknowledged_by, incident.acknowledged_until) == ("acknowledged", "Bo", None)


def test_reopening_forgets_how_long_it_was_acknowledged() -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100), make("incident.reopened", 3)]
    assert fold(entries, now=0).acknowledged_until is None


# --- marks -----------------------------------------------------------------------------------------------------------


def test_the_last_assignment_counts_in_every_state() -> None:
    for state, way in WAYS.items():
        if state == "none":
            continue
        n = len(way)
        entries = [make(kind, m + 1) for m, kind in enumerate(way)]
        entries.append(make("incident.assigned", n + 1, to="Ada", person="p-1"))
        assert (fold(entries, now=0).assignee, fold(entries, now=0).assignee_id) == ("Ada", "p-1")
        entries.append(make("incident.assigned", n + 2, to="Bo"))
        assert (fold(entries, now=0).assignee, fold(entries, now=0).assignee_id) == ("Bo", None)
        entries.append(make("incident.unassigned", n + 3))
        assert (fold(entries, now=0).assignee, fold(entries, now=0).state) == (None, state)


def test_whoever_is_named_by_nothing_but_the_entry_has_it() -> None:
    assert fold([make("incident.opened", 1), make("incident.assigned", 2, by="Ada", to="")], now=0).assignee == "Ada"


def test_an_assignment_outlives_reopening() -> None:
    kinds = ["incident.opened", "incident.assigned", "incident.resolved", "incident.reopened"]
    assert (walk(kinds).state, walk(kinds).assignee) == ("open", "Bo")


def test_cancelled_is_a_mark_and_somebody_still_has_to_look() -> None:
    incident = walk(["incident.opened", "incident.cancelled"])
    assert (incident.state, incident.cancelled, incident.cancelled_by) == ("open", 20, "Ada")
    again = walk(["incident.opened", "incident.cancelled", "incident.resolved", "incident.reopened"])
    assert (again.state, again.cancelled, again.cancelled_by) == ("open", None, None)


def test_covert_is_what_the_opening_says() -> None:
    assert fold([make("incident.opened", 1, covert=True)], now=0).covert
    assert not fold([make("incident.opened", 1), make("incident.noted", 2, covert=True)], now=0).covert
    assert not fold([make("incident.opened", 1, covert="yes")], now=0).covert


def test_what_is_secret_is_so_before_its_opening_arrives() -> None:
    assert fold([make("incident.noted", 2, covert=True), make("incident.noted", 3)], now=0).covert
    assert not fold([make("incident.noted", 2), make("incident.noted", 3)], now=0).covert


# --- evidence, split and merge ---------------------------------------------------------------------------------------


def evidence(lamport: int, **body: Any) -> Entry:
    moved = {"moved_from": body.pop("moved_from")} if "moved_from" in body else {}
    return make("incident.evidence", lamport, evidence=body, **moved)


def test_evidence_counts_once_and_keeps_its_order() -> None:
    pieces: list[dict[str, Any]] = [{"still": "s1"}, {"clip": "c2"}, {"clip": "c1"}, {"clip": "c2"}]
    entries = [evidence(n, **piece) for n, piece in enumerate([*pieces, {"event": "e", "text": "t"}], start=2)]
    incident = fold([make("incident.opened", 1), *entries], now=0)
    assert (incident.stills, incident.clips) == (("s1",), ("c2", "c1"))
    assert (incident.moved_in, incident.moved_out) == ((), ())


def test_evidence_without_any_is_no_fault() -> None:
    bare = replace(make("incident.evidence", 2), body={})
    assert fold([make("incident.opened", 1), bare], now=0).clips == ()


def test_merged_names_where_it_goes_on() -> None:
    incident = walk(["incident.opened", "incident.merged"])
    assert (incident.state, incident.merged_into) == ("merged", "other")


def test_what_was_joined_brings_its_evidence_as_entries_of_its_own() -> None:
    entries = [make("incident.opened", 1), evidence(2, clip="mine"), make("incident.joined", 3, source="j")]
    entries += [evidence(4, clip="theirs", moved_from="j"), evidence(5, still="s", moved_from="j")]
    incident = fold(entries, now=0)
    assert (incident.state, incident.merged_from) == ("open", ("j",))
    assert (incident.clips, incident.stills) == (("mine", "theirs"), ("s",))
    assert incident.moved_in == (("clip", "theirs"), ("still", "s"))


def test_what_joins_a_settled_incident_opens_it_again() -> None:
    for way in (["incident.opened", "incident.resolved"], ["incident.opened", "incident.resolved", "incident.closed"]):
        incident = walk([*way, "incident.joined"])
        assert (incident.state, incident.resolved_by, incident.reason) == ("open", None, None)


def test_what_was_split_off_leaves_and_the_rest_stays() -> None:
    entries = [make("incident.opened", 1), evidence(2, clip="stays"), evidence(3, clip="goes"), evidence(4, still="s")]
    entries.append(make("incident.split", 5, into="k", evidence=[{"clip": "goes"}, {"still": "s", "camera": "cam"}]))
    incident = fold(entries, now=0)
    assert (incident.state, incident.clips, incident.stills) == ("open", ("stays",), ())
    assert incident.split_into == ("k",)
    assert incident.moved_out == (("clip", "goes"), ("still", "s"))


def test_what_comes_back_after_a_split_is_here_again() -> None:
    entries = [make("incident.opened", 1), evidence(2, clip="c")]
    entries.append(make("incident.split", 3, into="k", evidence=[{"clip": "c"}]))
    entries.append(evidence(4, clip="c", moved_from="k"))
    incident = fold(entries, now=0)
    assert (incident.clips, incident.moved_out, incident.moved_in) == (("c",), (), (("clip", "c"),))
    entries.append(make("incident.split", 5, into="l", evidence=[{"clip": "c"}]))
    gone = fold(entries, now=0)
    assert (gone.clips, gone.moved_out, gone.moved_in) == ((), (("clip", "c"),), ())
    assert gone.split_into == ("k", "l")


def test_evidence_that_was_written_before_a_split_and_arrives_after_it_is_gone_too() -> None:
    split = make("incident.split", 5, into="k", evidence=[{"clip": "c"}])
    late = evidence(2, clip="c")
    assert fold([make("incident.opened", 1), split, late], now=0).clips == ()


def test_the_new_incident_says_what_it_was_a_part_of() -> None:
    entries = [make("incident.opened", 1, split_from="old"), evidence(2, clip="c", moved_from="old")]
    incident = fold(entries, now=0)
    assert (incident.split_from, incident.clips, incident.state) == ("old", ("c",), "open")


@pytest.mark.parametrize(
    "entries", [[], [make("incident.opened", 1), replace(make("incident.noted", 2), incident="j")]]
)
def test_a_fold_is_of_exactly_one_incident(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="exactly one incident"):
        fold(entries, now=0)


def test_every_kind_has_a_sample_here() -> None:
    assert set(BODY) <= set(ENTRY_KINDS)
