"""Nights of patterns nobody thought of: restored before any step, replayed from the log, always the same (the playbook
checks that at every step), and never more remembered than is bounded."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.rulebook.patterns import MOST_GROUPS
from tests.examples import examples
from tests.unit.playbook import Playbook, Step, boots, passes, told

Part = dict[str, Any]
SELECTORS: st.SearchStrategy[Part] = st.sampled_from(
    [
        {"event": "contact.opened", "device": "door"},
        {"event": "contact.opened"},
        {"event": ["contact.opened", "motion.started"]},
        {"event": "motion.started", "device": "eye"},
        {"event": "output.reported", "device": "siren", "where": {"on": True}},
        {"event": "rule.woke"},
        {"event": "rule.muted"},
    ]
)
DURATIONS = st.sampled_from(["1s", "5s", "30s", "1m"])
CONDITIONS: st.SearchStrategy[Part] = st.sampled_from(
    [
        {"recent": {"event": "motion.started", "within": "30s"}},
        {"reading": {"device": "thermometer", "above": 20}},
        {"state": {"device": "hatch", "is": "open"}},
        {"not": {"state": {"device": "door", "is": "open"}}},
    ]
)


@st.composite
def whens(draw: st.DrawFn) -> dict[str, Any]:
    """Any pattern."""
    what = draw(st.sampled_from(["event", "count", "sequence", "absence", "holds"]))
    if what == "event":
        return dict(draw(SELECTORS))
    if what == "count":
        same: Part = draw(st.sampled_from([{}, {"same": "device"}]))
        one: Part = {"event": "contact.opened"} if same else draw(SELECTORS)
        return {"count": one | same | {"at_least": draw(st.integers(2, 3)), "within": draw(DURATIONS)}}
    if what == "sequence":
        unless: Part = draw(st.sampled_from([{}, {"unless": {"event": "motion.ended"}}]))
        return {"sequence": draw(st.lists(SELECTORS, min_size=2, max_size=3)), "within": draw(DURATIONS)} | unless
    if what == "absence":
        after: Part = draw(st.sampled_from([{}, {"after": {"event": "contact.closed"}}]))
        return {"absence": draw(SELECTORS) | after | {"for": draw(DURATIONS)}}
    holds: Part = draw(
        st.sampled_from([{"device": "door", "is": "open"}, {"reading": {"device": "thermometer", "below": 10}}])
    )
    return {"holds": holds | {"for": draw(DURATIONS)}}


@st.composite
def books(draw: st.DrawFn) -> str:
    """Up to four rules."""
    rules: list[Part] = []
    for n in range(draw(st.integers(1, 4))):
        rule: Part = {
            "id": f"r{n}",
            "name": f"Rule {n}",
            "priority": draw(st.integers(-1, 1)),
            "when": draw(whens()),
            "if": draw(st.lists(CONDITIONS, max_size=1)),
            "then": draw(
                st.lists(
                    st.sampled_from(
                        [
                            {"command": {"device": "siren", "set": "on", "for": "5s"}},
                            {"pulse": {"device": "bolt"}},
                            {"open_incident": {"severity": "low", "title": "{{ subject.name }}"}},
                            {"wake": {"after": "5s", "as": "later"}},
                        ]
                    ),
                    min_size=1,
                    max_size=3,
                    unique_by=lambda then: next(iter(then)),
                )
            ),
            "storm": {"more_than": 2, "within": "30s", "rest": "10s"},
        }
        cool: Part = draw(st.sampled_from([{}, {"cool_down": "5s"}]))
        rules.append(rule | cool)
    return "\n".join(f"- {json.dumps(rule)}" for rule in rules)


AFTER = st.sampled_from([0, 1, 1_000_000, 4_999_999, 5_000_000, 30_000_000, 61_000_000])
DEVICES = {
    "contact.opened": "door", "contact.closed": "door", "motion.started": "eye", "motion.ended": "eye",
    "output.reported": "siren", "reading.temperature": "thermometer", "tamper.opened": "hatch",
}  # fmt: skip


@st.composite
def happenings(draw: st.DrawFn) -> Step:
    """Something happens."""
    after = draw(AFTER)
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([passes(after), boots(after=after, off="1m"), boots(after=after, off=None)]))
    kind = draw(st.sampled_from(["contact.opened"] * 3 + ["contact.closed"] * 2 + list(DEVICES)))
    device = draw(st.sampled_from(["door", "hatch"])) if kind.startswith("contact") else DEVICES[kind]
    body: Part = {"on": True} if kind == "output.reported" else {}
    if kind == "reading.temperature":
        body = {"value": 5.0 * draw(st.integers(0, 6))}
    by = draw(st.sampled_from(["live"] * 5 + ["retained", "redelivered", "late"]))
    return told(kind, device, after=after, by=by, **body)  # type: ignore[arg-type]


@given(books(), st.lists(happenings(), min_size=1, max_size=14))
@examples(120)
def test_no_night_of_patterns_is_played_two_ways(rules: str, night: list[Step]) -> None:
    play = Playbook(rules)
    for step in night:
        play >> step
        play << play.said()
    memory = json.loads(play.engine.snapshot())["state"]["rules"]
    for progress in memory["patterns"].values():
        assert len(progress["groups"]) <= MOST_GROUPS
        assert all(len(moments) <= 3 for moments in progress["groups"].values())
    assert all(len(storm["acted"]) <= 2 for storm in memory["storms"].values())
