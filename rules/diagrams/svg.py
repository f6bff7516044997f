"""Lanes as an SVG: drawn for light and for dark pages, and readable without colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from math import log2

from rules.diagrams.lanes import Lane, Span
from rules.scenario.times import spoken

_LEFT, _RIGHT, _ROW, _HEIGHT, _TOP = 118, 22, 34, 18, 14
_WIDEST, _NARROWEST = 132.0, 46.0  # between two moments: minutes and microseconds have to stand on one line
_STYLE = """\
text{font:11px system-ui,sans-serif;fill:#5d656e}
.name{font-weight:600}.says{font-size:10px}.at{font-size:10px;text-anchor:middle}.mid{text-anchor:middle}
.rest{fill:none;stroke:#5d656e;stroke-width:1.2}
.busy{fill:#c98a10;fill-opacity:.28;stroke:#b07a10;stroke-width:1.2}
.armed{fill:#2f7fd0;fill-opacity:.22;stroke:#2f7fd0;stroke-width:1.2}
.alarm{fill:#d1453b;fill-opacity:.32;stroke:#d1453b;stroke-width:1.2}
.dot{fill:#d1453b}.tick{stroke:#8b949e;stroke-opacity:.45;stroke-width:1;stroke-dasharray:2 3}
@media (prefers-color-scheme:dark){text{fill:#a3adb8}.rest{stroke:#a3adb8}}"""


def draw(lanes: Sequence[Lane], *, title: str, says: str) -> str:
    """The picture. Moments stand in order; distances only tell short from long."""
    moments = sorted({at for lane in lanes for at in _times(lane)} | {0})
    places, end = _places(moments)
    width, height = round(end + _RIGHT), _TOP + _ROW * len(lanes) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(says)}</desc>',
        f"<style>{_STYLE}</style>",
    ]
    bottom = _TOP + _ROW * len(lanes)
    for number, at in enumerate(moments):
        x = places[at]
        lines.append(f'<path class="tick" d="M{x:.1f} {_TOP - 6}V{bottom}"/>')
        # Times that would touch stand on two levels.
        lines.append(f'<text class="at" x="{x:.1f}" y="{bottom + 12 + 11 * (number % 2)}">{spoken(at)}</text>')
    for row, lane in enumerate(lanes):
        lines += _row(lane, _TOP + _ROW * row, places, end)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _times(lane: Lane) -> Iterator[int]:
    for span in lane.spans:
        yield span.since
    for at, _ in lane.dots:
        yield at


def _places(moments: Sequence[int]) -> tuple[dict[int, float], float]:
    """Where each moment stands, and where the picture ends: twice the time is a step more to the right."""
    x = float(_LEFT)
    places = {moments[0]: x}
    for before, at in pairwise(moments):
        x += min(_WIDEST, _NARROWEST + 9 * log2(1 + (at - before) / 1_000_000))
        places[at] = x
    return places, x + _WIDEST / 2


def _row(lane: Lane, top: int, places: dict[int, float], end: float) -> Iterator[str]:
    middle, base = top + _HEIGHT / 2 + 4, top + _HEIGHT
    yield f'<text class="name" x="4" y="{middle:.0f}">{escape(lane.name)}</text>'
    for span in lane.spans:
        yield from _span(span, top, base, places[span.since], end if span.until is None else places[span.until])
    for at, word in lane.dots:
        yield f'<circle class="dot" cx="{places[at]:.1f}" cy="{top + _HEIGHT / 2:.0f}" r="4.5"/>'
        yield f'<text class="says" x="{places[at] + 8:.1f}" y="{middle:.0f}">{escape(word)}</text>'


def _span(span: Span, top: int, base: int, since: float, until: float) -> Iterator[str]:
    width = until - since
    if span.look == "rest" and not span.says:
        yield f'<path class="rest" d="M{since:.1f} {base}H{until:.1f}"/>'
        return
    yield f'<rect class="{span.look}" x="{since:.1f}" y="{top}" width="{width:.1f}" height="{_HEIGHT}"/>'
    if span.says and width > 5.6 * len(span.says):
        x, y = since + width / 2, top + _HEIGHT / 2 + 3.5
        yield f'<text class="says mid" x="{x:.1f}" y="{y:.1f}">{escape(span.says)}</text>'
