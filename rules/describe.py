"""What the kernel says of itself: the parts of `rules/README.md` that are made from the code, so that they are true."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from inspect import cleandoc

from rules.events import EVENTS
from rules.incidents import ENTRY_KINDS, LIFE
from rules.wire.bodies import BODIES, HEAD
from rules.wire.record import body_fields

_BLOCK = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh(readme: str) -> str:
    """The README with every marked part made anew. KeyError for a mark nobody knows."""
    makers = {"life": life_diagram, "events": event_table, "entries": entry_table}
    return _BLOCK.sub(lambda block: f"{block[1]}{makers[block[2]]()}\n{block[3]}", readme)


def life_diagram() -> str:
    """The life-cycle of an incident as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> none"]
    for state, arrows in LIFE.items():
        for kind, following in arrows.items():
            lines.append(f"    {state} --> {following}: {kind.removeprefix('incident.')}")
    return "\n".join([*lines, "```"])


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


def _sentence(made_of: type) -> str:
    return " ".join(cleandoc(made_of.__doc__ or "").split())
