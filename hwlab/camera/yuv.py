"""Pictures as a codec wants them: BT.709, limited range, 4:2:0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlab.camera.paint import Array, Bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """Luma at full size, both colour planes at half size."""

    y: Bytes
    u: Bytes
    v: Bytes

    def part(self, x0: int, y0: int, x1: int, y1: int) -> Picture:
        """A copy of a rectangle whose corners are even."""
        half = np.s_[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        return Picture(self.y[y0:y1, x0:x1].copy(), self.u[half].copy(), self.v[half].copy())

    def paste(self, other: Picture, x0: int, y0: int) -> None:
        """Lay another picture over this one at an even corner."""
        rows, columns = other.y.shape
        half = np.s_[y0 // 2 : (y0 + rows) // 2, x0 // 2 : (x0 + columns) // 2]
        self.y[y0 : y0 + rows, x0 : x0 + columns] = other.y
        self.u[half] = other.u
        self.v[half] = other.v


def halve(plane: Array) -> Array:
    """The mean of each 2x2 block."""
    rows, columns = plane.shape
    mean: Array = plane.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    return mean


def from_rgb(pixels: Array, *, dither: Array | None = None) -> Picture:
    """RGB 0..1 to YUV; `dither` (in luma steps) keeps a dark gradient from showing bands."""
    red, green, blue = (np.clip(pixels[..., index], 0.0, 1.0) for index in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    u = 128.0 + 224.0 * halve((blue - luma) / 1.8556)
    v = 128.0 + 224.0 * halve((red - luma) / 1.5748)
    y = 16.0 + 219.0 * luma
    if dither is not None:
        y, u, v = y + dither, u + dither[::2, ::2], v + dither[1::2, 1::2]
    return Picture(_round(y, 235.0), _round(u, 240.0), _round(v, 240.0))


def _round(plane: Array, top: float) -> Bytes:
    rounded: Bytes = (np.clip(plane, 16.0, top) + 0.5).astype(np.uint8)
    return rounded


def to_rgb(picture: Picture) -> Bytes:
    """The way back, for looking at a picture."""
    y = (picture.y.astype(np.float32) - 16.0) / 219.0
    u, v = (np.repeat(np.repeat((p.astype(np.float32) - 128.0) / 224.0, 2, 0), 2, 1) for p in (picture.u, picture.v))
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    seen: Bytes = (np.clip(np.stack([red, green, blue], -1), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return seen
