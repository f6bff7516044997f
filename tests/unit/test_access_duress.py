"""Duress: on site nothing tells it from a usual code, to the byte; the telling comes after all else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rules.actions import Action, Append, Note, Pulse, SetLevel, WakeMe
from tests.unit.access_rig import SECOND, Rig, digest

CODES: list[dict[str, Any]] = [{"digest": digest("ada code")}, {"digest": digest("ada duress"), "duress": True}]
Story = Callable[[Rig, str], list[str]]


def armed(rig: Rig) -> None:
    rig.tells("contact.closed", "window", delivery="retained")
    rig.tells("key.pressed", "pad", key="arm_away")
    rig.passes("2m")


def disarms(rig: Rig, code: str) -> list[str]:
    armed(rig)
    return rig.code(code)


def disarms_an_alarm(rig: Rig, code: str) -> list[str]:
    armed(rig)
    rig.tells("contact.opened", "window")
    return rig.code(code)


def arms(rig: Rig, code: str) -> list[str]:
    rig.tells("contact.closed", "window", delivery="retained")
    return rig.code(code, wish="arm_stay")


def has_nothing_to_disarm(rig: Rig, code: str) -> list[str]:
    return rig.code(code)


def is_locked_out(rig: Rig, code: str) -> list[str]:
    for n in range(5):
        rig.code(f"guess {n}")
    return rig.code(code)


def is_a_pin(rig: Rig, code: str) -> list[str]:
    rig.card()
    return rig.code(code, on="in")


def comes_without_its_card(rig: Rig, code: str) -> list[str]:
    return rig.code(code, on="in")


def proves_a_command(rig: Rig, code: str) -> list[str]:
    return rig.order(lambda access, turn: access.who(digest(code), turn, source="relay"))


STORIES: list[Story] = [
    disarms, disarms_an_alarm, arms, has_nothing_to_disarm, is_locked_out, is_a_pin, comes_without_its_card,
    proves_a_command,
]  # fmt: skip


def without_wake(rig: Rig) -> list[Action]:
    """When to look again comes last of all, and is the same."""
    return [action for action in rig.actions if not isinstance(action, WakeMe)]


def rig() -> Rig:
    return Rig(ada={"codes": CODES}, door={"pin": "always"}, partitions=[{"id": "office", "sirens": ["siren"]}])


@pytest.mark.parametrize("story", STORIES)
def test_nothing_on_site_tells_it_from_a_usual_code(story: Story) -> None:
    usual, forced = rig(), rig()
    story(usual, "ada code")
    lines = story(forced, "ada duress")
    before = without_wake(usual)
    told = without_wake(forced)[len(before) :]
    assert without_wake(forced)[: len(before)] == before
    assert lines[-2].startswith("duress.raised ")
    assert lines[-1].startswith("opened covert Duress: Ada at ")
    assert not any(isinstance(action, SetLevel | Pulse) for action in told)
    assert [type(action) for action in told if not isinstance(action, Append)] == [Note]
    assert [line.text for line in forced.engine.trace] == [line.text for line in usual.engine.trace]
    assert forced.said == usual.said


@pytest.mark.parametrize("delivery", ["redelivered", "late"])
def test_it_is_told_also_when_the_message_may_be_a_repeat(delivery: Any) -> None:
    forced = rig()
    assert any(line.startswith("opened covert") for line in forced.code("ada duress", delivery=delivery))
    assert forced.code("ada duress", delivery=delivery)[-1] == "evidence duress again: Ada at pad"


def test_what_the_broker_kept_is_no_cry_for_help() -> None:
    assert rig().code("ada duress", delivery="retained") == []


def test_a_code_out_of_date_tells_it_all_the_same() -> None:
    old = Rig(ada={"codes": [CODES[0], CODES[1] | {"until": "2025-12-31"}]})
    assert old.code("ada duress")[:2] == ["code.refused pad (expired) tries 1", "duress.raised pad ada"]


def test_it_is_one_incident_within_five_minutes() -> None:
    forced = rig()
    forced.code("ada duress")
    assert forced.code("ada duress", after=300 * SECOND - 1)[-1].startswith("evidence duress again")
    assert forced.code("ada duress", after=300 * SECOND)[-1].startswith("opened covert")


def told_by(rig: Rig) -> object:
    (entry,) = [a.entry for a in rig.actions if isinstance(a, Append) and a.entry.kind == "incident.opened"]
    return entry.body.get("policy")


@pytest.mark.parametrize(("theirs", "expected"), [(None, "guards"), (["vault"], "police"), (["attic"], None)])
def test_where_nobody_is_named_it_is_told_by_one_of_their_partitions(theirs: list[str] | None, expected: Any) -> None:
    partitions = [{"id": "attic"}, {"id": "office", "policy": "guards"}, {"id": "vault", "policy": "police"}]
    forced = Rig(ada={"codes": CODES, "partitions": theirs}, partitions=partitions)
    forced.order(lambda access, turn: access.who(digest("ada duress"), turn, source="relay box"))
    assert told_by(forced) == expected
    named = Rig(ada={"codes": CODES, "partitions": theirs}, partitions=partitions, door={"policy": "wardens"})
    named.code("ada duress", on="in")
    assert told_by(named) == "wardens"
