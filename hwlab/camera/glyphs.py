"""A small stroke font: capitals, digits and the signs of a date, each a few lines on a grid 4 wide and 6 high."""

from __future__ import annotations

from functools import cache

import numpy as np

from hwlab.camera.paint import Array, segment_distance

# Each glyph is strokes of points "xy"; a space lifts the pen. Corners are cut, so digits stay apart when compressed.
_STROKES = {
    "0": "10 30 41 45 36 16 05 01 10",
    "1": "11 20 26/16 36",
    "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 23/33 44 45 36 16 05",
    "4": "36 30 04 44",
    "5": "40 00 02 32 43 45 36 16 05",
    "6": "41 30 10 01 05 16 36 45 44 33 13 04",
    "7": "00 40 41 16",
    "8": "13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33",
    "9": "05 16 36 45 41 30 10 01 02 13 33 42",
    "A": "06 02 20 42 46/04 44",
    "B": "06 00 30 41 42 33 03/33 44 45 36 06",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 20 42 44 26 06 00",
    "E": "40 00 06 46/03 33",
    "F": "40 00 06/03 33",
    "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06/40 46/03 43",
    "I": "10 30/20 26/16 36",
    "J": "40 45 36 16 05",
    "K": "00 06/40 03 46",
    "L": "00 06 46",
    "M": "06 00 23 40 46",
    "N": "06 00 46 40",
    "O": "10 30 41 45 36 16 05 01 10",
    "P": "06 00 30 41 42 33 03",
    "Q": "10 30 41 45 36 16 05 01 10/24 46",
    "R": "06 00 30 41 42 33 03/23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "T": "00 40/20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 26 40",
    "W": "00 16 23 36 40",
    "X": "00 46/40 06",
    "Y": "00 23 40/23 26",
    "Z": "00 40 06 46",
    "-": "13 33",
    ":": "22 22/25 25",
    ".": "26 26",
    "/": "40 06",
    " ": "",
}
CELL_WIDTH, CELL_HEIGHT = 6.2, 9.0


@cache
def glyph(character: str, height: int) -> Array:
    """Coverage 0..1 of one character in its cell, `height` pixels high; an unknown one is left blank."""
    unit = height / CELL_HEIGHT
    width = cell_width(height)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    nearest = np.full((height, width), np.inf, np.float32)
    for stroke in _STROKES.get(character.upper(), "").split("/"):
        points = [((int(p[0]) + 1.1) * unit, (int(p[1]) + 1.5) * unit) for p in stroke.split()]
        for start, end in zip(points, points[1:] or points[:0], strict=False):
            nearest = np.minimum(nearest, segment_distance(xs + 0.5, ys + 0.5, start, end)[0])
    cover: Array = np.clip(0.5 - (nearest - 0.52 * unit), 0.0, 1.0).astype(np.float32)
    return cover


def cell_width(height: int) -> int:
    """Pixels from one character to the next; even, so that text can be laid out on colour planes too."""
    return int(CELL_WIDTH * height / CELL_HEIGHT) & ~1


def text(line: str, height: int) -> Array:
    """Coverage of a whole line of text."""
    if not line:
        return np.zeros((height, 0), np.float32)
    return np.concatenate([glyph(character, height) for character in line], axis=1)
