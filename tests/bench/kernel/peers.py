"""The same rules in other people's engines. A peer that is not installed is left out by name.

Each peer is prepared in its fastest documented form: rules compiled once, the facts of an event handed over as a small
flat context that was looked up beforehand. Ours looks them up itself.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from tests.bench.kernel.worlds import Facts

# Facts of one event in, numbers of the rules that match out.
Match = Callable[[Facts], list[int]]
CLAUSES = {
    "kind": '"contact.opened"',
    "device": '"door-{n}"',
    "gate_closed": "true",
    "eye_moved": "false",
    "night": "true",
}
EXPRESSION = 'kind == "contact.opened" && device == "door-{n}" && gate_closed && !eye_moved && night'


def _table(count: int) -> dict[str, Any]:
    """A decision table in zen-engine's own document form: one row a rule, every row that holds is collected."""
    rows = [
        {"_id": f"row-{n}", "rule": str(n)} | {name: text.format(n=n) for name, text in CLAUSES.items()}
        for n in range(count)
    ]
    content = {
        "hitPolicy": "collect",
        "inputs": [{"id": name, "name": name, "field": name} for name in CLAUSES],
        "outputs": [{"id": "rule", "name": "rule", "field": "rule"}],
        "rules": rows,
    }
    place = {"position": {"x": 0, "y": 0}}
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", **place},
            {"id": "table", "type": "decisionTableNode", "name": "table", "content": content, **place},
            {"id": "out", "type": "outputNode", "name": "out", **place},
        ],
        "edges": [
            {"id": "first", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "second", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }


def zen(count: int) -> Match:
    """zen-engine's decision table. ImportError when it is not installed."""
    decision = importlib.import_module("zen").ZenEngine().create_decision(json.dumps(_table(count)))
    return lambda facts: [int(row["rule"]) for row in decision.evaluate(facts.context())["result"]]


def cel(count: int) -> Match:
    """Common Expression Language (the Rust binding), one compiled program a rule. ImportError when not installed."""
    library = importlib.import_module("cel")
    programs = [library.compile(EXPRESSION.format(n=n)) for n in range(count)]

    def match(facts: Facts) -> list[int]:
        context = library.Context(variables=facts.context())
        return [n for n, program in enumerate(programs) if program.execute(context)]

    return match


def linear(count: int) -> Match:
    """What one writes first: a loop over one compiled function a rule."""

    def test(n: int) -> Callable[[Facts], bool]:
        device = f"door-{n}"
        return lambda facts: (
            facts.kind == "contact.opened"
            and facts.device == device
            and facts.gate_closed
            and not facts.eye_moved
            and facts.night
        )

    tests = [test(n) for n in range(count)]
    return lambda facts: [n for n, holds in enumerate(tests) if holds(facts)]


# By the name they have in the report: how each is made, and how many events it is given with 10 and 10,000 rules.
PEERS: dict[str, tuple[Callable[[int], Match], dict[int, int]]] = {
    "zen-engine decision table": (zen, {10: 2_000, 10_000: 40}),
    "CEL (Rust)": (cel, {10: 10_000, 10_000: 20}),
    "linear loop": (linear, {10: 50_000, 10_000: 200}),
}
