"""Incidents: the life-cycle table, pair by pair, and a fold that does not care how the entries came together."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.incidents import ENTRY_KINDS, LIFE, SEVERITIES, Entry, Incident, fold
from tests.examples import examples

BODY: dict[str, dict[str, Any]] = {
    "incident.opened": {"title": "Door", "severity": "high", "rule": "r", "policy": "p", "device": "d"},
    "incident.merged": {"into": "other"},
    "incident.evidence": {"evidence": {"clip": "c1", "camera": "cam"}},
}
# The shortest way into each state.
WAYS = {
    "none": [],
    "open": ["incident.opened"],
    "acknowledged": ["incident.opened", "incident.acknowledged"],
    "resolved": ["incident.opened", "incident.resolved"],
    "merged": ["incident.opened", "incident.merged"],
}


def make(kind: str, lamport: int, *, origin: str = "gw", by: str = "Ada", **body: Any) -> Entry:
    name = f"{kind}-{lamport}-{origin}"
    content = BODY.get(kind, {}) | body
    return Entry(
        id=name, kind=kind, incident="i", lamport=lamport, origin=origin, wall=lamport * 10, by=by, body=content
    )


def walk(kinds: list[str], *, now: int = 0) -> Incident:
    return fold([make(kind, n + 1) for n, kind in enumerate(kinds)], now=now)


def test_the_table_names_only_known_states_and_kinds() -> None:
    assert set(WAYS) == set(LIFE)
    for arrows in LIFE.values():
        assert set(arrows) <= set(ENTRY_KINDS)
        assert set(arrows.values()) <= set(LIFE)


@pytest.mark.parametrize("kind", ENTRY_KINDS)
@pytest.mark.parametrize("state", sorted(LIFE))
def test_every_pair_of_state_and_entry(state: str, kind: str) -> None:
    kinds = [*WAYS[state], kind]
    if state == "none" and kind != "incident.opened":
        # Anything may arrive before the opening; only what the table says moves it.
        assert walk(kinds).state == LIFE["none"].get(kind, "none")
        return
    incident = walk(kinds)
    assert incident.state == LIFE[state].get(kind, state)
    assert len(incident.entries) == len(kinds)
    assert incident.lamport == len(kinds)


def test_what_the_opening_says() -> None:
    incident = walk(["incident.opened"])
    assert (incident.title, incident.severity, incident.policy, incident.rule) == ("Door", "high", "p", "r")
    assert (incident.device, incident.opened, incident.id) == ("d", 10, "i")


def test_an_incident_whose_opening_has_not_arrived() -> None:
    incident = walk(["incident.acknowledged", "incident.evidence"])
    assert (incident.state, incident.severity, incident.opened) == ("none", "high", None)
    assert incident.title == "Incident (its opening has not arrived yet)"
    assert incident.clips == ("c1",)


def test_the_opening_counts_first_even_when_it_was_seen_last() -> None:
    entries = [make("incident.acknowledged", 1, origin="relay"), make("incident.opened", 2)]
    assert fold(entries, now=0).state == "acknowledged"


def test_an_unknown_severity_is_taken_seriously() -> None:
    for severity in (*SEVERITIES, "catastrophic", ""):
        incident = fold([make("incident.opened", 1, severity=severity)], now=0)
        assert incident.severity == (severity if severity in SEVERITIES else "high")


def test_who_did_what() -> None:
    opened, resolved = make("incident.opened", 1), make("incident.resolved", 3, by="Bo")
    acknowledged = make("incident.acknowledged", 2, by="Ada")
    incident = fold([opened, acknowledged], now=0)
    assert (incident.acknowledged_by, incident.resolved_by) == ("Ada", None)
    incident = fold([opened, acknowledged, resolved], now=0)
    assert (incident.acknowledged_by, incident.resolved_by) == ("Ada", "Bo")
    incident = fold([opened, acknowledged, resolved, make("incident.reopened", 4)], now=0)
    assert (incident.state, incident.acknowledged_by, incident.resolved_by) == ("open", None, None)


def test_reopening_forgets_who_had_it_in_hand() -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100), make("incident.reopened", 3)]
    assert fold(entries, now=0).acknowledged_until is None
    assert fold([*entries, make("incident.resolved", 4)], now=0).acknowledged_by is None


def test_of_two_who_resolve_the_first_in_order_did() -> None:
    entries = [make("incident.opened", 1), make("incident.resolved", 2, origin="b", by="Bo")]
    entries.append(make("incident.resolved", 2, origin="a", by="Ada"))
    assert fold(entries, now=0).resolved_by == "Ada"


@pytest.mark.parametrize(("now", "state"), [(99, "acknowledged"), (100, "open"), (101, "open")])
def test_an_acknowledgement_lapses_at_its_moment(now: int, state: str) -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100)]
    incident = fold(entries, now=now)
    assert incident.state == state
    assert incident.acknowledged_by == ("Ada" if state == "acknowledged" else None)
    assert incident.acknowledged_until == 100


def test_a_lapsed_acknowledgement_does_not_open_what_was_resolved() -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100), make("incident.resolved", 3)]
    assert fold(entries, now=1000).state == "resolved"


def test_a_second_acknowledgement_holds_on_when_the_first_lapses() -> None:
    entries = [make("incident.opened", 1), make("incident.acknowledged", 2, until=100)]
    entries.append(make("incident.acknowledged", 3, by="Bo"))
    incident = fold(entries, now=1000)
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "Bo")


def test_evidence_counts_once_and_keeps_its_order() -> None:
    evidence = [
        make("incident.evidence", n, evidence=what)
        for n, what in enumerate(
            [{"still": "s1"}, {"clip": "c2"}, {"clip": "c1"}, {"clip": "c2"}, {"event": "e", "text": "t"}], start=2
        )
    ]
    incident = fold([make("incident.opened", 1), *evidence], now=0)
    assert (incident.stills, incident.clips) == (("s1",), ("c2", "c1"))


def test_merged_names_where_it_goes_on() -> None:
    assert walk(["incident.opened", "incident.merged"]).merged_into == "other"


@pytest.mark.parametrize(
    "entries", [[], [make("incident.opened", 1), replace(make("incident.noted", 2), incident="j")]]
)
def test_a_fold_is_of_exactly_one_incident(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="exactly one incident"):
        fold(entries, now=0)


# --- any set of entries, in any order --------------------------------------------------------------------------------


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    kinds = draw(st.lists(st.sampled_from([*ENTRY_KINDS, "incident.dispatched"]), min_size=1, max_size=14))
    entries = []
    for n, kind in enumerate(kinds):
        lamport, origin = draw(st.integers(1, 6)), draw(st.sampled_from(["gw", "box", "cloud"]))
        made = make(kind, lamport, origin=origin, by=draw(st.sampled_from(["Ada", "Bo"])))
        body = dict(made.body)
        if kind == "incident.acknowledged":
            body["until"] = draw(st.none() | st.integers(0, 20))
        if kind == "incident.evidence":
            body["evidence"] = {draw(st.sampled_from(["clip", "still"])): draw(st.sampled_from(["x", "y"]))}
        entries.append(
            replace(made, id=f"{n:02}", body={name: value for name, value in body.items() if value is not None})
        )
    return entries


@given(some_entries(), st.randoms(use_true_random=False), st.integers(0, 20))
@examples(80)
def test_order_and_duplicates_do_not_matter(entries: list[Entry], chance: random.Random, now: int) -> None:
    shuffled = entries + chance.sample(entries, chance.randint(0, len(entries)))
    chance.shuffle(shuffled)
    assert fold(shuffled, now=now) == fold(entries, now=now)


@given(some_entries(), st.lists(st.integers(0, 2), min_size=14, max_size=14), st.integers(0, 20))
@examples(80)
def test_three_that_were_cut_off_agree_however_they_meet(entries: list[Entry], holders: list[int], now: int) -> None:
    parts: list[list[Entry]] = [[], [], []]
    for entry, holder in zip(entries, holders, strict=False):
        parts[holder].append(entry)
        parts[(holder + 1) % 3].append(entry)  # each entry is known in two places
    a, b, c = ({entry.id for entry in part} for part in parts)
    by_id = {entry.id: entry for entry in entries}

    def union(*sets: set[str]) -> Incident:
        return fold([by_id[name] for name in set().union(*sets)], now=now)

    assert union(a | b, c) == union(a, b | c) == union(c, a, b) == fold(entries, now=now)


@given(some_entries(), st.integers(0, 20))
@examples(80)
def test_folding_what_was_folded_changes_nothing(entries: list[Entry], now: int) -> None:
    once = fold(entries, now=now)
    assert fold(once.entries, now=now) == once
    assert list(once.entries) == sorted(once.entries, key=lambda entry: entry.order)


@given(some_entries(), st.randoms(use_true_random=False))
@examples(80)
def test_even_two_entries_of_one_id_fold_the_same_everywhere(entries: list[Entry], chance: random.Random) -> None:
    forged = [*entries, replace(entries[0], lamport=entries[0].lamport + 1, by="Mallory")]
    expected = fold(forged, now=0)
    chance.shuffle(forged)
    assert fold(forged, now=0) == expected
