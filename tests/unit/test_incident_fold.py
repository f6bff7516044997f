"""A fold that does not care how the entries came together: any set, any order, any repetition, any partition."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.incidents import ENTRY_KINDS, Entry, Incident, fold
from tests.examples import examples
from tests.unit.incident_samples import make

PIECES = st.fixed_dictionaries({}, optional={"clip": st.sampled_from("xyz"), "still": st.sampled_from("xy")})
MOST = 16


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    """Entries of every kind with clashing places in the order, as relays that were cut off make them."""
    kinds = draw(st.lists(st.sampled_from([*ENTRY_KINDS, "incident.dispatched"]), min_size=1, max_size=MOST))
    entries = []
    for n, kind in enumerate(kinds):
        lamport, origin = draw(st.integers(1, 6)), draw(st.sampled_from(["gw", "box", "cloud"]))
        made = make(kind, lamport, origin=origin, by=draw(st.sampled_from(["Ada", "Bo"])))
        body = dict(made.body)
        if kind == "incident.acknowledged":
            body["until"] = draw(st.none() | st.integers(0, 20))
        elif kind == "incident.evidence":
            body["evidence"] = draw(PIECES)
            body["moved_from"] = draw(st.none() | st.just("j"))
        elif kind == "incident.split":
            body |= {"into": draw(st.sampled_from("kl")), "evidence": draw(st.none() | st.lists(PIECES, max_size=3))}
        elif kind in ("incident.resolved", "incident.closed"):
            body["reason"] = draw(st.sampled_from([None, "real", "test"]))
        if draw(st.booleans()):
            body["covert"] = True
        kept = {name: value for name, value in body.items() if value is not None}
        entries.append(replace(made, id=f"{n:02}", body=kept))
    return entries


@given(some_entries(), st.randoms(use_true_random=False), st.integers(0, 20))
@examples(120)
def test_order_and_duplicates_do_not_matter(entries: list[Entry], chance: random.Random, now: int) -> None:
    shuffled = entries + chance.sample(entries, chance.randint(0, len(entries)))
    chance.shuffle(shuffled)
    assert fold(shuffled, now=now) == fold(entries, now=now)


@given(some_entries(), st.lists(st.integers(0, 2), min_size=MOST, max_size=MOST), st.integers(0, 20))
@examples(120)
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


@given(some_entries(), st.lists(st.integers(0, 4), min_size=MOST, max_size=MOST), st.randoms(use_true_random=False))
@examples(120)
def test_meeting_is_commutative_associative_and_idempotent(
    entries: list[Entry], parts: list[int], chance: random.Random
) -> None:
    """What two sides know together is the fold of what both folds hold: a fold forgets nothing that another needs."""
    groups = [[entry for entry, part in zip(entries, parts, strict=False) if part == n] for n in range(5)]
    folds = [fold(group, now=0) for group in groups if group]

    def meet(one: Incident, other: Incident) -> Incident:
        return fold([*one.entries, *other.entries], now=0)

    chance.shuffle(folds)
    left = folds[0]
    for other in folds[1:]:
        left = meet(left, other)
    right = folds[-1]
    for other in reversed(folds[:-1]):
        right = meet(other, right)
    assert left == right == fold(entries, now=0)
    assert meet(left, left) == left


@given(some_entries(), st.integers(0, 20))
@examples(120)
def test_folding_what_was_folded_changes_nothing(entries: list[Entry], now: int) -> None:
    once = fold(entries, now=now)
    assert fold(once.entries, now=now) == once
    assert list(once.entries) == sorted(once.entries, key=lambda entry: entry.order)


@given(some_entries(), st.data(), st.randoms(use_true_random=False))
@examples(120)
def test_even_two_entries_of_one_id_fold_the_same_everywhere(
    entries: list[Entry], data: st.DataObject, chance: random.Random
) -> None:
    forged = list(entries)
    for victim in data.draw(st.lists(st.sampled_from(entries), min_size=1, max_size=3)):
        later = data.draw(st.sampled_from([0, 1]))
        forged.append(replace(victim, lamport=victim.lamport + later, by="Mallory", body=victim.body | {"note": "x"}))
    expected = fold(forged, now=0)
    chance.shuffle(forged)
    assert fold(forged, now=0) == expected
    assert len(expected.entries) == len({entry.id for entry in entries})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"gt": None}, {"gt": 5}),
        ({"gt": 0}, {"gt": None}),
        ({"cause": ""}, {"cause": None}),
        ({"cause": None}, {"cause": "c"}),
        ({"clock": "synced"}, {"clock": "unsynced"}),
        ({"wall": 1}, {"wall": 2}),
        ({"kind": "incident.started"}, {"kind": "incident.resolved"}),
        ({"body": {"note": "x"}}, {"body": {"note": "y"}}),
        ({"body": {"a": 1, "b": None}}, {"body": {"b": None}}),
    ],
)
def test_of_two_that_share_everything_but_one_thing_the_same_one_counts(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    opened, act = make("incident.opened", 1), make("incident.acknowledged", 2)
    twins = [replace(act, **one), replace(act, **other)]
    folds = [fold([opened, *order], now=0) for order in (twins, twins[::-1], [*twins, *twins])]
    assert folds[0] == folds[1] == folds[2] and len(folds[0].entries) == 2


@given(some_entries())
@examples(120)
def test_time_alone_only_ever_ends_an_acknowledgement(entries: list[Entry]) -> None:
    states = [fold(entries, now=now).state for now in range(-1, 22)]
    if states[0] != "acknowledged":
        assert len(set(states)) == 1
    else:
        assert states == sorted(states, key=["acknowledged", "open"].index)


@given(some_entries())
@examples(120)
def test_footage_is_here_or_gone_and_never_both(entries: list[Entry]) -> None:
    incident = fold(entries, now=0)
    here = {("clip", name) for name in incident.clips} | {("still", name) for name in incident.stills}
    assert not here & set(incident.moved_out)
    assert set(incident.moved_in) <= here


@given(some_entries())
@examples(120)
def test_entries_of_a_later_version_move_nothing(entries: list[Entry]) -> None:
    strange = [replace(entry, kind="incident.dispatched") for entry in entries if entry.kind != "incident.opened"]
    later = [replace(entry, id=f"later-{entry.id}") for entry in strange]
    known = [entry for entry in entries if entry.kind != "incident.dispatched"]
    if known and not any(entry.body.get("covert") for entry in later):
        with_later, without = fold(known + later, now=0), fold(known, now=0)
        assert replace(with_later, entries=(), lamport=0) == replace(without, entries=(), lamport=0)


def test_an_incident_of_five_hundred_entries_folds() -> None:
    """How fast is measured by `make bench`; here only that size alone changes nothing."""
    entries = [make("incident.opened", 1)]
    for n in range(2, 501):
        entries.append(replace(make("incident.evidence", n), id=str(n), body={"evidence": {"clip": f"c{n}"}}))
    incident = fold(reversed(entries), now=0)
    assert (len(incident.clips), incident.lamport, incident.clips[0]) == (499, 500, "c2")
