"""What every chaos test may ask for: a ledger with a seed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.chaos.ledger import Ledger, chosen_seed, keep

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    report = yield
    if report.failed or report.skipped:
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def ledger(request: pytest.FixtureRequest, effort: str) -> Iterator[Ledger]:
    """The test's `Ledger`. Its seed is printed, kept, and taken from CHAOS_SEED where that is set; a test that skips
    itself leaves no entry."""
    name = request.node.nodeid.removeprefix("tests/chaos/").removesuffix("]")
    made = Ledger(test=name.replace(".py::", " ").replace("[", " "), effort=effort, seed=chosen_seed())
    print(f"CHAOS_SEED={made.seed}")
    yield made
    failed = request.node.stash.get(_FAILED, None)
    if failed is None:
        keep(made.entry("passed"))
    elif failed:
        keep(made.entry("failed"))
