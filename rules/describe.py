"""What the kernel says of itself: the parts of `rules/README.md` that are made from the code, so that they are true."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from inspect import cleandoc

from rules.access.bolt import BOLT, BOLT_EVENTS
from rules.access.leaf import LEAF, LEAF_EVENTS
from rules.document.library import SHIPPED, shipped
from rules.events import EVENTS
from rules.incidents import ENTRY_KINDS, LIFE
from rules.panel.arming import ARMING, ARMING_EVENTS, TELLING, TELLING_EVENTS
from rules.panel.zones import RESPONSES, SEVERITY, kind_of
from rules.wire.bodies import BODIES, HEAD
from rules.wire.record import body_fields

_BLOCK = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh(readme: str) -> str:
    """The README with every marked part made anew. KeyError for a mark nobody knows."""
    makers: dict[str, Callable[[], str]] = {
        "life": life_diagram,
        "events": event_table,
        "entries": entry_table,
        "library": library_table,
        "bolt": lambda: life_table(BOLT, BOLT_EVENTS),
        "leaf": lambda: life_table(LEAF, LEAF_EVENTS),
        "arming": lambda: life_table(ARMING, ARMING_EVENTS),
        "telling": lambda: life_table(TELLING, TELLING_EVENTS),
        "zones": zone_table,
    }
    return _BLOCK.sub(lambda block: f"{block[1]}{makers[block[2]]()}\n{block[3]}", readme)


def life_diagram() -> str:
    """The life-cycle of an incident as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> none"]
    for state, arrows in LIFE.items():
        for kind, following in arrows.items():
            lines.append(f"    {state} --> {following}: {kind.removeprefix('incident.')}")
    return "\n".join([*lines, "```"])


def life_table(table: Mapping[str, Mapping[str, str]], events: Sequence[str]) -> str:
    """A life-cycle as a table: for each state and event the next state, nothing where nothing changes."""
    lines = [f"| State | {' | '.join(events)} |", "|---" * (len(events) + 1) + "|"]
    for state, arrows in table.items():
        lines.append(f"| `{state}` | " + " | ".join(arrows.get(event, "") for event in events) + " |")
    return "\n".join(lines)


def zone_table() -> str:
    """Every zone type: the answer to an active input by arm state, the kind of alarm, and how severe it is."""
    lines = [f"| Type | {' | '.join(ARMING)} | Alarm | Severity |", "|---" * (len(ARMING) + 3) + "|"]
    for zone_type, row in RESPONSES.items():
        kind = kind_of(zone_type)
        severity = SEVERITY.get(kind, "medium, armed high")
        alarm = [kind, severity] if "switch" not in row.values() else ["", ""]
        words = [f"`{zone_type}`", *(row[state] for state in ARMING), *alarm]
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines)


def event_table() -> str:
    """Every kind of event: lane, what it says, and its body's fields (`?`: may be absent)."""
    lines = ["| Kind | Lane | Says | Body |", "|---|---|---|---|"]
    for kind, event in EVENTS.items():
        optional = {field.name for field in fields(event) if field.default is not MISSING or "None" in str(field.type)}
        names = [f"`{name}`{'?' if name in optional else ''}" for name in body_fields(kind)]
        lines.append(f"| `{kind}` | {event.lane or 'stays'} | {_sentence(event)} | {' '.join(names)} |")
    return "\n".join(lines)


def entry_table() -> str:
    """Every kind of entry: what it says, and what its body has beside the four fields of all."""
    lines = ["| Kind | Says | Body |", "|---|---|---|"]
    for kind in ENTRY_KINDS:
        model = BODIES[kind]
        names = [
            f"`{name}`{'' if field.is_required() else '?'}"
            for name, field in model.model_fields.items()
            if name not in HEAD
        ]
        lines.append(f"| `{kind}` | {_sentence(model)} | {' '.join(names)} |")
    return "\n".join(lines)


def library_table() -> str:
    """Every rule of the library: what it is for, and what it takes (`?`: may be left out; with its default)."""
    lines = ["| Rule | For | Takes |", "|---|---|---|"]
    for name in SHIPPED:
        rule = shipped(name)
        takes = [
            f"`{word}`? ({each.default})" if each.default is not None else f"`{word}`{'?' if each.optional else ''}"
            for word, each in rule.needs.items()
        ]
        lines.append(f"| `{name}` | {rule.says} | {', '.join(takes)} |")
    return "\n".join(lines)


def _sentence(made_of: type) -> str:
    return " ".join(cleandoc(made_of.__doc__ or "").split())
