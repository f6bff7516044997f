"""Readings out of a packed row, as the engine saw them."""

from __future__ import annotations

from collections.abc import Iterator

from rules import ids
from rules.events import EVENTS, Reading, ReadingsPacked


def unpack(packed: ReadingsPacked) -> Iterator[Reading]:
    """The readings in a packed row, in order. ValueError or KeyError when it is none."""
    columns = zip(packed.kinds, packed.devices, packed.values, packed.after, strict=True)
    for number, (kind, device, value, after) in enumerate(columns):
        yield reading(
            packed=packed.id, number=number, first=packed, kind=kind, device=device, value=value, after=after
        )


def reading(
    *, packed: str, number: int, first: Reading | ReadingsPacked, kind: str, device: str, value: float, after: int
) -> Reading:
    """Reading `number` of the row `packed`, `after` µs behind the first one."""
    maker = EVENTS[kind]
    if not issubclass(maker, Reading):
        raise ValueError(f"{kind} is not a reading")
    return maker(
        id=ids.derived(packed, number),
        gt=first.gt + after,
        wall=first.wall + after,
        clock=first.clock,
        device=device,
        value=value,
    )
