"""The journal: what is acknowledged before it is durable, what is given up, and that both are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent import journal as module
from agent.errors import StoreError
from agent.intake import Input
from agent.journal import MAX_UNACKED, Decided, Journal
from agent.rows import row
from rules import ids
from rules.actions import Action
from rules.events import ContactOpened, TimePassed


def decided(n: int, acks: list[int], *, waiting: asyncio.Future[list[Action]] | None = None) -> Decided:
    fact = ContactOpened(id=ids.derived("f", n), gt=n, wall=n, device="door", n=n)
    item = Input(fact=fact, acknowledge=lambda: acks.append(n), decided=waiting)
    return Decided(item=item, rows=[row(fact, is_input=True)])


def internal(n: int) -> Decided:
    fact = TimePassed(id=ids.derived("t", n), gt=n, wall=n)
    return Decided(item=Input(fact=fact), rows=[row(fact, is_input=True)])


def test_acknowledgements_are_withheld_up_to_half_a_brokers_window(tmp_path: Path) -> None:
    acks: list[int] = []
    journal = Journal(marker=tmp_path / "marker")
    journal.extend([decided(n, acks) for n in range(MAX_UNACKED)])
    journal.extend([internal(n) for n in range(50)])  # nobody waits for these
    assert (acks, journal.left_behind) == ([], False)
    journal.extend([decided(n, acks) for n in range(MAX_UNACKED, MAX_UNACKED + 3)])
    assert acks == [0, 1, 2], "the oldest go first"
    assert journal.acked_before_durable == 3
    assert journal.left_behind is True
    rows = [row.acked_before_durable for each in journal.first(1000) for row in each.rows]
    assert rows[:4] == [True, True, True, False]
    assert sum(rows) == 3
    assert len(journal) == MAX_UNACKED + 53


def test_what_is_written_is_acknowledged_once_and_the_marker_goes(tmp_path: Path) -> None:
    acks: list[int] = []
    journal = Journal(marker=tmp_path / "marker")
    journal.extend([decided(n, acks) for n in range(MAX_UNACKED + 2)])
    while held := journal.first(100):
        for each in held:
            each.settle()
        journal.written(len(held))
    assert acks == list(range(MAX_UNACKED + 2))
    assert len(journal) == 0
    assert journal.counted() == (2, 0)
    assert journal.counted() == (0, 0), "told once"
    journal.unmark()
    assert not journal.left_behind
    journal.extend([decided(n, acks) for n in range(1000, 1000 + MAX_UNACKED)])
    assert len(acks) == MAX_UNACKED + 2, "withholding begins anew"


async def test_it_is_bounded_and_says_what_it_gave_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 10)
    acks: list[int] = []
    waiting: asyncio.Future[list[Action]] = asyncio.get_running_loop().create_future()
    journal = Journal(marker=tmp_path / "marker")
    journal.extend([decided(0, acks, waiting=waiting), *(decided(n, acks) for n in range(1, 14))])
    assert journal.given_up == 4
    assert acks == [0, 1, 2, 3], "the broker must not send again what is gone"
    assert [each.rows[0].gt for each in journal.first(99)] == list(range(4, 14)), "the newest are kept"
    with pytest.raises(StoreError, match="decided, not kept"):
        await waiting
    assert not journal.knows(ids.derived("f", 0))
    assert journal.knows(ids.derived("f", 13))


def test_what_has_no_rows_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 10)
    journal = Journal(marker=tmp_path / "marker")
    for n in range(20):
        known = decided(n, [])
        known.rows = []
        journal.extend([known])
    assert len(journal) == 10


async def test_settling_answers_whoever_waits(tmp_path: Path) -> None:
    waiting: asyncio.Future[list[Action]] = asyncio.get_running_loop().create_future()
    each = decided(0, [], waiting=waiting)
    each.settle()
    each.settle()
    assert await waiting == []
