"""How many random examples a property is tried with, by effort; a slow machine is no failure."""

from __future__ import annotations

import os

from hypothesis import settings


def examples(quick: int) -> settings:
    """Settings for a `@given` test: this many examples, four times as many in CI, forty times with EFFORT=long."""
    factor = {"quick": 1, "ci": 4, "long": 40}.get(os.environ.get("EFFORT", "quick"), 1)
    return settings(max_examples=quick * factor, deadline=None)
