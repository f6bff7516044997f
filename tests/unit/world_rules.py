"""Rules any site may have, made at random over what it has: one event, counts, sequences, silences, lasting states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from rules.document.tells import TELLS

DURATIONS = st.sampled_from(["0s", "1ms", "5s", "30s", "1m", "10m"])
PERIODS = st.sampled_from(["1s", "5s", "30s", "1m", "10m"])
ASIDE = ["tamper.opened", "device.lost", "battery.low"]
OF_ZONES = ["zone.alarmed", "zone.restored", "zone.troubled", "zone.bypassed", "zone.ignored"]
OF_PARTITIONS = ["partition.armed", "partition.disarmed", "partition.exiting", "partition.entering"]
STATES = {"contact": ["open", "closed", "unknown"], "input": ["normal", "active", "short"], "motion": ["on", "off"]}


@dataclass(frozen=True, slots=True)
class Names:
    """What rules of a site can speak of."""

    types: dict[str, str]
    zones: list[str]
    partitions: list[str]

    def of_type(self, *families: str) -> list[str]:
        """The devices of these types."""
        return [name for name, family in self.types.items() if family in families]


def _selectors(names: Names) -> st.SearchStrategy[dict[str, Any]]:
    """An event of a device most often; now and then one that the engine itself makes."""
    told = [
        {"event": kind, "device": name} for name, family in names.types.items() for kind in sorted(TELLS[family])
    ] + [{"event": kind, "device": name} for name in names.types for kind in ASIDE]
    made = [{"event": kind, "zone": name} for name in names.zones for kind in OF_ZONES]
    made += [{"event": kind, "partition": name} for name in names.partitions for kind in OF_PARTITIONS]
    anybody: list[dict[str, Any]] = [
        {"event": "contact.opened"},
        {"event": ["motion.started", "contact.opened"]},
        {"event": OF_ZONES},
        {"event": "zone.alarmed", "where": {"type": ["perimeter", "24h"]}},
    ]
    return st.sampled_from(told) | st.sampled_from([*made, *anybody])


def _states(names: Names) -> st.SearchStrategy[dict[str, Any]]:
    known = [{"device": name, "is": word} for name in names.of_type(*STATES) for word in STATES[names.types[name]]]
    known += [{"partition": name, "is": word} for name in names.partitions for word in ("disarmed", "armed", "away")]
    known += [{"zone": name, "is": word} for name in names.zones for word in ("active", "bypassed")]
    return st.sampled_from(known)


def _conditions(names: Names) -> st.SearchStrategy[dict[str, Any]]:
    recent = st.tuples(_selectors(names), DURATIONS).map(lambda made: {"recent": {**made[0], "within": made[1]}})
    leaf = st.just({"schedule": "night"}) | recent | _states(names).map(lambda state: {"state": state})
    return st.recursive(
        leaf,
        lambda inner: (
            inner.map(lambda each: {"not": each})
            | st.lists(inner, min_size=1, max_size=2).map(lambda each: {"all": each})
            | st.lists(inner, min_size=1, max_size=2).map(lambda each: {"any": each})
        ),
        max_leaves=3,
    )


def _when(draw: st.DrawFn, names: Names) -> dict[str, Any]:
    selector = _selectors(names)
    pattern = draw(st.sampled_from(["event"] * 4 + ["count", "sequence", "absence", "holds"]))
    if pattern == "event":
        return draw(selector)
    if pattern == "count":
        return {"count": {**draw(selector), "at_least": draw(st.integers(2, 3)), "within": draw(PERIODS)}}
    if pattern == "sequence":
        when = {"sequence": draw(st.lists(selector, min_size=2, max_size=3)), "within": draw(PERIODS)}
        return when | ({"unless": draw(selector)} if draw(st.booleans()) else {})
    if pattern == "absence":
        after = {"after": draw(selector)} if draw(st.booleans()) else {}
        return {"absence": {**draw(selector), "for": draw(PERIODS), **after}}
    return {"holds": {**draw(_states(names)), "for": draw(PERIODS)}}


def _then(draw: st.DrawFn, names: Names) -> list[dict[str, Any]]:
    then: list[dict[str, Any]] = []
    opens = draw(st.booleans())
    if opens:
        then.append({"open_incident": {"severity": "high", "title": "{{ rule.name }}", "group": draw(DURATIONS)}})
        then += [{"save_clip": {"cameras": ["cam"], "pre": "5s", "post": "5s"}}] * draw(st.integers(0, 1))
        then += [{"notify": {"policy": "guards"}}] * draw(st.integers(0, 1))
    for _ in range(draw(st.integers(0 if opens else 1, 2))):
        output = draw(st.sampled_from(["siren", "bolt"]))
        command: dict[str, Any] = {"device": output, "set": draw(st.sampled_from(["on", "off"]))}
        if draw(st.booleans()) and (output == "bolt" or command["set"] == "on"):
            command["for"] = draw(DURATIONS)
        more: list[dict[str, Any]] = [{"command": command}, {"pulse": {"device": output}}]
        more.append({"wake": {"after": draw(PERIODS), "as": "again"}})
        if names.partitions:
            arm = {"partition": draw(st.sampled_from(names.partitions)), "mode": "away", "force": draw(st.booleans())}
            more.append({"arm": arm})
        if names.zones:
            more.append({"bypass": {"zone": draw(st.sampled_from(names.zones))}})
        then.append(draw(st.sampled_from(more)))
    return then


@st.composite
def rules(draw: st.DrawFn, names: Names, most: int) -> list[dict[str, Any]]:
    """Up to `most` rules over what the site has."""
    conditions = _conditions(names)
    made = []
    for n in range(draw(st.integers(0, most))):
        rule = {"id": f"rule-{n}", "name": f"Rule {n}", "when": _when(draw, names), "then": _then(draw, names)}
        tests = draw(st.lists(conditions, max_size=2))
        rule |= {"if": tests} if tests else {}
        rule |= {"cool_down": draw(DURATIONS)} if draw(st.booleans()) else {}
        if draw(st.integers(0, 4)) == 0:
            rule["storm"] = {"more_than": 1, "within": "60s", "rest": "30s"}
        made.append(rule)
    return made
