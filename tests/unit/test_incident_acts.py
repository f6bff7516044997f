"""What people do to incidents, as entries: which acts a state has, and merges and splits that converge."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay import acts
from relay.errors import Refused
from rules import wire
from rules.incidents import LIFE, REASONS, Entry, Incident, fold
from tests.examples import examples
from tests.unit.incident_samples import WAYS, make, walk

NOW = 1_000_000


def hand(origin: str = "cloud", by: str = "Ada", prefix: str = "") -> acts.Hand:
    numbers = itertools.count()
    return acts.Hand(
        origin=origin, by=by, person="p-1", wall=NOW, identity=lambda: f"{prefix or origin}-{next(numbers)}"
    )


@pytest.mark.parametrize("kind", sorted(set(acts.ACTS) - {"noted", "assigned", "unassigned"}))
@pytest.mark.parametrize("state", sorted(LIFE))
def test_an_act_is_possible_exactly_where_the_table_has_an_arrow(state: str, kind: str) -> None:
    current = walk(WAYS[state]) if WAYS[state] else walk(["incident.noted"])
    if acts.ACTS[kind] in LIFE[state]:
        entry = acts.act(hand(), current, kind)
        assert fold([*current.entries, entry], now=0).state == LIFE[state][acts.ACTS[kind]]
        assert (entry.kind, entry.lamport, entry.origin) == (acts.ACTS[kind], current.lamport + 1, "cloud")
        assert (entry.by, entry.wall, entry.body) == ("Ada", NOW, {"person": "p-1"} | entry.body)
    else:
        with pytest.raises(Refused) as refusal:
            acts.act(hand(), current, kind)
        assert len(str(refusal.value)) > 20


@pytest.mark.parametrize("state", sorted(LIFE))
def test_notes_are_always_possible_and_assigning_while_it_goes_on(state: str) -> None:
    current = walk(WAYS[state]) if WAYS[state] else walk(["incident.noted"])
    assert acts.act(hand(), current, "noted", note=" x ").body["note"] == "x"
    if state in ("none", "closed", "merged"):
        with pytest.raises(Refused):
            acts.act(hand(), current, "assigned")
        return
    entry = acts.act(hand(), current, "assigned")
    assert entry.body == {"to": "Ada", "person": "p-1"}
    taken = fold([*current.entries, entry], now=0)
    assert (taken.assignee, taken.assignee_id, taken.state) == ("Ada", "p-1", state)
    back = acts.act(hand(prefix="later"), taken, "unassigned")
    assert fold([*taken.entries, back], now=0).assignee is None


def test_what_an_act_brings_with_it() -> None:
    opened = walk(["incident.opened"])
    assert acts.act(hand(), opened, "resolved", reason="test", note="n").body == {
        "note": "n",
        "reason": "test",
        "person": "p-1",
    }
    assert acts.act(hand(), opened, "acknowledged", until=NOW + 1).body == {"until": NOW + 1, "person": "p-1"}
    assert "reason" not in acts.act(hand(), opened, "acknowledged", reason="test").body


@pytest.mark.parametrize(
    ("kind", "words", "sentence"),
    [
        ("dreamt", {}, "'dreamt' is not one of"),
        ("noted", {"note": "  "}, "a note needs some text"),
        ("noted", {"note": "x" * 4001}, "a note may have 4000 characters, this one has 4001"),
        ("resolved", {"reason": "fate"}, "'fate' is no reason; there is real, false_alarm"),
        ("acknowledged", {"until": NOW}, "ends in the future"),
        ("unassigned", {}, "assigned to nobody"),
    ],
)
def test_what_is_refused_says_why(kind: str, words: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        acts.act(hand(), walk(["incident.opened"]), kind, **words)


def test_every_reason_is_taken() -> None:
    for reason in REASONS:
        assert acts.act(hand(), walk(["incident.opened"]), "resolved", reason=reason).body["reason"] == reason


# --- merge -----------------------------------------------------------------------------------------------------------


def incident(name: str, opened: int, *more: Entry, covert: bool = False, title: str = "") -> list[Entry]:
    secret: dict[str, Any] = {"covert": True} if covert else {}
    first = replace(make("incident.opened", 1, title=title or name, **secret), wall=opened)
    entries = [first, *more]
    return [replace(entry, id=f"{name}-{entry.id}", incident=name) for entry in entries]


def seen(lamport: int, **evidence: Any) -> Entry:
    return make("incident.evidence", lamport, evidence=evidence)


def both(entries: list[Entry], *names: str) -> list[Incident]:
    return [fold([entry for entry in entries if entry.incident == name], now=0) for name in names]


def test_the_younger_goes_on_in_the_older_with_its_evidence() -> None:
    entries = incident("b-old", 10, seen(2, clip="c1", camera="x")) + incident(
        "a-young", 20, seen(2, clip="c2", camera="y"), seen(3, still="s", camera="y"), seen(4, event="e", text="again")
    )
    old, young = both(entries, "b-old", "a-young")
    for one, other in ((old, young), (young, old)):
        made = acts.merge(hand(), one, other, note="the same")
        merged_old, merged_young = both(entries + made, "b-old", "a-young")
        assert (merged_young.state, merged_young.merged_into) == ("merged", "b-old")
        assert (merged_old.state, merged_old.merged_from) == ("open", ("a-young",))
        assert (merged_old.clips, merged_old.stills) == (("c1", "c2"), ("s",))
        assert merged_young.clips == ("c2",), "and its own page still has them"
        assert merged_old.moved_in == (("clip", "c2"), ("still", "s"))
        assert [entry.lamport for entry in made] == [5, 3, 4, 5, 6]
        assert all(wire.entry(wire.read(data)) == entry for entry, data in acts.fits(renamed(made)))


def renamed(entries: list[Entry]) -> list[Entry]:
    return [replace(entry, id=f"00000000-0000-7000-8000-{n:012}") for n, entry in enumerate(entries)]


def test_of_one_moment_the_lower_id_is_the_older() -> None:
    one, other = both(incident("b", 10) + incident("a", 10), "b", "a")
    assert [each.id for each in acts.in_order(one, other)] == ["b", "a"]


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (incident("a", 10), incident("a", 10), "into itself"),
        (incident("a", 10, covert=True), incident("b", 20), "secret"),
        (incident("a", 10, make("incident.merged", 2)), incident("b", 20), "merged into another"),
        (incident("a", 10), incident("b", 20, make("incident.merged", 2)), "merged into another"),
        (incident("a", 10, make("incident.resolved", 2)), incident("b", 20), "“a” is the older .* and is resolved"),
        ([replace(make("incident.noted", 2), incident="a")], incident("b", 20), "not arrived"),
    ],
)
def test_what_cannot_be_merged(one: list[Entry], other: list[Entry], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        acts.merge(hand(), fold(one, now=0), fold(other, now=0))


def test_a_settled_one_may_go_on_in_an_open_one() -> None:
    old, young = both(incident("a", 10) + incident("b", 20, make("incident.resolved", 2)), "a", "b")
    made = acts.merge(hand(), old, young)
    assert fold([*young.entries, *[entry for entry in made if entry.incident == "b"]], now=0).state == "merged"


NAMES = ("a", "b", "c", "d")
PAIR = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))
STEP = st.tuples(st.sampled_from(["box", "cloud"]), st.sampled_from(["merge", "resolve", "meet"]), PAIR)


@given(st.lists(st.integers(1, 3), min_size=4, max_size=4), st.lists(STEP, max_size=10))
@example([1, 1, 2, 2], [("box", "merge", ("a", "b")), ("cloud", "merge", ("b", "a"))])
@example([3, 2, 1, 1], [("box", "merge", ("a", "b")), ("box", "merge", ("b", "c")), ("cloud", "merge", ("c", "a"))])
@examples(150)
def test_relays_that_were_cut_off_never_lose_an_incident_between_them(
    walls: list[int], steps: list[tuple[str, str, tuple[str, str]]]
) -> None:
    """Two relays merge and resolve on what each has seen. When they meet, every merged incident leads to one that is
    not merged, and every clip can be reached from there."""
    start = [
        entry
        for name, wall in zip(NAMES, walls, strict=True)
        for entry in incident(name, wall, seen(2, clip=f"clip-{name}"))
    ]
    known = {"box": list(start), "cloud": list(start)}
    hands = {name: hand(origin=name) for name in known}
    for relay, what, (one, other) in steps:
        if what == "meet":
            union = {entry.id: entry for entry in known["box"] + known["cloud"]}
            known = {name: list(union.values()) for name in known}
            continue
        first, second = both(known[relay], one, other)
        try:
            made = (
                acts.merge(hands[relay], first, second)
                if what == "merge"
                else [acts.act(hands[relay], first, "resolved")]
            )
        except Refused:
            continue
        known[relay] += made
    entries = list({entry.id: entry for entry in known["box"] + known["cloud"]}.values())
    folded = dict(zip(NAMES, both(entries, *NAMES), strict=True))
    for name in NAMES:
        place, way = name, [name]
        while folded[place].state == "merged":
            place = str(folded[place].merged_into)
            assert place not in way, "they were sent into each other"
            way.append(place)
        assert folded[place].state in ("open", "resolved")
        # From there the links lead back, page by page, to every picture.
        reached = [place]
        for each in reached:
            reached += [before for before in folded[each].merged_from if before not in reached]
        assert f"clip-{name}" in {clip for each in reached for clip in folded[each].clips}


# --- split -----------------------------------------------------------------------------------------------------------


def test_a_part_leaves_and_is_an_incident_of_its_own() -> None:
    entries = incident("i", 10, seen(2, clip="c1", camera="x"), seen(3, clip="c2", camera="y"), seen(4, still="s"))
    (current,) = both(entries, "i")
    made = acts.split(hand(), current, new="n", title=" A  fox ", clips=["c2"], stills=["s"])
    old, new = both(entries + made, "i", "n")
    assert (old.state, old.clips, old.stills, old.split_into) == ("open", ("c1",), (), ("n",))
    assert old.moved_out == (("clip", "c2"), ("still", "s"))
    assert (new.state, new.title, new.split_from, new.severity) == ("open", "A fox", "i", "high")
    assert (new.clips, new.stills, new.policy, new.opened) == (("c2",), ("s",), "p", NOW)
    assert [entry.lamport for entry in made if entry.incident == "n"] == [1, 2, 3]
    with pytest.raises(Refused, match="do not belong to this incident any more"):
        acts.split(hand(), old, new="m", title="x", clips=["c2"], stills=[])


def test_what_was_split_off_goes_with_no_later_merge() -> None:
    entries = incident("i", 20, seen(2, clip="c1"), seen(3, clip="c2")) + incident("older", 10)
    (current, _) = both(entries, "i", "older")
    entries += acts.split(hand(prefix="s"), current, new="n", title="Fox", clips=["c2"], stills=[])
    (current, older) = both(entries, "i", "older")
    entries += acts.merge(hand(prefix="m"), current, older)
    assert both(entries, "older")[0].clips == ("c1",)


def test_a_secret_stays_one_in_every_entry_of_every_act() -> None:
    entries = incident("i", 10, seen(2, clip="c"), covert=True) + incident("k", 20, covert=True)
    current, other = both(entries, "i", "k")
    made = [acts.act(hand(), current, "noted", note="x"), *acts.merge(hand(), current, other)]
    made += acts.split(hand(), current, new="n", title="x", clips=["c"], stills=[])
    assert all(entry.body["covert"] is True for entry in made)


def test_what_does_not_fit_a_record_is_refused_before_it_is_written() -> None:
    entry = replace(make("incident.noted", 1, note="x" * 70_000), id="00000000-0000-7000-8000-000000000001")
    with pytest.raises(Refused, match="too much at once"):
        acts.fits([entry])
