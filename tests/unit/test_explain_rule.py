"""Why a rule acted, and why it did not: the first condition that did not hold, asked of a stored night."""

from __future__ import annotations

import pytest

from rules.explain import Explanation, Kind, explain
from tests.unit import nights

SECOND = 1_000_000
NINE = 1_768_420_800_000_000  # 2026-01-14 21:00:00 in Zurich


def asked(at: int, *, kind: Kind = "rule", name: str = "late-visit", site: str = nights.SITE) -> Explanation:
    """The answer for one second, `at` seconds after nine."""
    start = NINE + at * SECOND
    return explain(nights.walk(site), nights.log(), kind=kind, name=name, at=start, until=start + SECOND)


def test_why_it_acted() -> None:
    found = asked(70 * 60)
    assert found.rang
    assert found.because == "contact.opened door: opened A late visit (low)"
    (moment,) = found.moments
    assert [line.partition(":")[0] for line in moment.asked] == [
        "rule late-visit", "when matched", "if.0 held", "if.1 held",
    ]  # fmt: skip


def test_why_not_for_the_time_of_day() -> None:
    found = asked(50 * 60)
    assert not found.rang
    assert found.because.startswith("if.0 did not hold")


def test_why_not_for_a_state() -> None:
    found = asked(2 * 3600)
    assert not found.rang
    assert found.because.startswith("if.1 did not hold")
    assert found.earlier[-1].followed == ["opened A late visit (low)"] or found.earlier


def test_nothing_happened_then() -> None:
    found = asked(60 * 60)
    assert not found.rang
    assert found.moments == []
    assert found.because == "nothing happened to it then; the last was contact.opened door 10m before"


def test_another_document_is_asked_the_same() -> None:
    assert asked(50 * 60, site=nights.SITE.replace("from: 22:00", "from: 21:00")).rang


def test_what_is_not_in_the_document_is_said_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="has no rule late-visits; did you mean late-visit"):
        asked(0, name="late-visits")
    with pytest.raises(LookupError, match="has no door lobby; it has none"):
        asked(0, kind="door", name="lobby")
