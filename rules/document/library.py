"""The shipped library: rules with parameters, used by name.

    rules:
      - use: after-hours-door
        with: {door: server-room-door, schedule: after-hours, policy: guards}

becomes the rule of `rules/builtin/after-hours-door.yaml` with `$door`, `$schedule`... replaced by what is given. An
item of a list that needs an optional parameter nobody gave is left out. The library is part of the program: it comes
through the import system as the code does, and no document can name another place.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from rules.document import Name, Strict, load, nearest

PACKAGE = "rules.builtin"
SHIPPED = (
    "after-hours-door",
    "camera-lost-while-armed",
    "clip-of-hold-up",
    "door-forced-clip",
    "freezer-warm",
    "gate-left-open",
    "glass-and-motion",
    "humid-for-long",
    "mains-lost",
    "motion-while-disarmed",
    "repeated-denials",
    "sensor-silent",
    "tailgate",
    "tamper-anywhere",
    "water-leak",
    "wrong-codes",
)  # fmt: skip
# What may stand beside `use` and `with`: it replaces what the library says.
_OWN = ("id", "name", "priority", "cool_down", "storm")
_KNOWN = ("use", "with", *_OWN)
_NOTHING: Any = object()


class Parameter(Strict):
    """What the installer gives. Neither optional nor with a default: it must be given."""

    says: Annotated[str, Field(min_length=1)]
    optional: bool = False
    default: str | int | float | bool | None = None


class Shipped(Strict):
    """A rule of the library: what it is for, what it needs, and its body with `$names` in it."""

    rule: Name
    says: Annotated[str, Field(min_length=1)]
    needs: dict[str, Parameter]
    does: dict[str, Any]


@cache
def shipped(name: str) -> Shipped:
    """A rule of the library. LookupError when there is none of this name."""
    data = pkgutil.get_data(PACKAGE, f"{name}.yaml") if name in SHIPPED else None
    if data is None:
        raise LookupError(name)
    return load(data.decode(), f"{name}.yaml", Shipped)


def used(item: object) -> object:
    """A rule of a document as it is meant: one that uses the library is replaced by the library's. ValueError says what
    is wrong with the using; the rule itself is checked as any other."""
    if not isinstance(item, dict) or "use" not in item:
        return item
    for key in item:
        if key not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise ValueError(f"{key!r} does not belong beside use (known: {known}){nearest(str(key), list(_KNOWN))}")
    name = item["use"]
    if name not in SHIPPED:
        hint = nearest(str(name), list(SHIPPED)) or f"; known: {', '.join(SHIPPED)}"
        raise ValueError(f"{str(name)[:60]!r} is no rule of the library{hint}")
    rule = shipped(str(name))
    given = _given(rule, item.get("with"))
    own = {key: item[key] for key in _OWN if key in item}
    return {"id": rule.rule} | _filled(rule.does, given) | own


def _given(rule: Shipped, given: object) -> dict[str, Any]:
    """The value of every parameter; `_NOTHING` for an optional one that is not given."""
    if given is not None and not isinstance(given, dict):
        raise ValueError(f"with is a mapping of what {rule.rule} takes: {_needs(rule)}")
    values: dict[str, Any] = dict(given or {})
    for name, value in values.items():
        if name not in rule.needs:
            raise ValueError(
                f"{rule.rule} has no parameter {name!r} (it takes {_needs(rule)}){nearest(name, list(rule.needs))}"
            )
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(each, str | int | float | bool) for each in listed):
            raise ValueError(f"{name} of {rule.rule} is a word, a number or a list of them: {rule.needs[name].says}")
    for name, parameter in rule.needs.items():
        if name not in values:
            if parameter.default is None and not parameter.optional:
                raise ValueError(f"{rule.rule} needs {name}: {parameter.says}")
            values[name] = _NOTHING if parameter.default is None else parameter.default
    return values


def _needs(rule: Shipped) -> str:
    shown = [f"{name}?" if each.optional or each.default is not None else name for name, each in rule.needs.items()]
    return ", ".join(shown)


def _filled(part: Any, given: dict[str, Any]) -> Any:
    """The part with each `$name` replaced; `_NOTHING` when it needs what is not given."""
    if isinstance(part, str) and part.startswith("$"):
        return given[part[1:]]
    if isinstance(part, list):
        filled = [_filled(each, given) for each in part]
        return [each for each in filled if each is not _NOTHING]
    if isinstance(part, dict):
        inside = {key: _filled(each, given) for key, each in part.items()}
        return _NOTHING if any(each is _NOTHING for each in inside.values()) else inside
    return part
