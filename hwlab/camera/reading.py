"""Read the burnt-in time back from a decoded picture: the far end's proof of *when* a frame was seen."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from hwlab.camera import glyphs
from hwlab.camera.paint import Bytes
from hwlab.camera.scene import CLOCK_TEXT, caption

_LEAST_LIKENESS = 0.75
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_clock(luma: Bytes) -> int | None:
    """Wall time (µs since the epoch, to a tenth of a second) in a frame's luma; None where no clock can be read."""
    place = caption(luma.shape[0])
    line = ""
    for index, sign in enumerate(CLOCK_TEXT):
        left = place.left + index * place.cell
        cell = luma[place.top : place.top + place.height, left : left + place.cell].astype(np.float32)
        if not sign.isdigit():
            line += sign
            continue
        scores = {digit: _likeness(cell, glyphs.glyph(digit, place.height)) for digit in "0123456789"}
        best = max(scores, key=scores.__getitem__)
        if scores[best] < _LEAST_LIKENESS:
            return None
        line += best
    try:
        moment = datetime.strptime(line, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round((moment - _EPOCH).total_seconds() * 10) * 100_000


def _likeness(cell: np.ndarray, template: np.ndarray) -> float:
    """Correlation, -1..1."""
    if cell.shape != template.shape:
        return -1.0
    a, b = cell - cell.mean(), template - template.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0.0 else -1.0
