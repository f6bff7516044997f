"""Anti-aliased shapes on a float RGB picture. Coordinates are those of a 1280x720 drawing, scaled to the real size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Point = tuple[float, float]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mask:
    """Coverage 0..1 of one window of a canvas; a shape touches no pixel outside its window."""

    window: tuple[slice, slice]
    values: Array


class Canvas:
    """A picture of `width` x `height` pixels, RGB 0..1, drawn in units of `1/scale` pixel from (`left`, `top`)."""

    def __init__(self, *, width: int, height: int, scale: float, left: float = 0.0, top: float = 0.0) -> None:
        self.scale, self.left, self.top = scale, left, top
        self.pixels: Array = np.zeros((height, width, 3), np.float32)
        self.alpha: Array = np.zeros((height, width), np.float32)
        self.x: Array = ((np.arange(width, dtype=np.float32) + 0.5) / scale + left).reshape(1, -1)
        self.y: Array = ((np.arange(height, dtype=np.float32) + 0.5) / scale + top).reshape(-1, 1)

    def copy_from(self, other: Canvas) -> None:
        """Take the pixels of a larger canvas of the same scale that this one is a window of."""
        row, column = (round((a - b) * self.scale) for a, b in ((self.top, other.top), (self.left, other.left)))
        rows, columns = self.alpha.shape
        self.pixels[:] = other.pixels[row : row + rows, column : column + columns]

    def window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """The pixels of a rectangle, widened by two and cut at the border."""
        rows, columns = self.alpha.shape

        def cut(start: float, end: float, size: int) -> slice:
            first, last = int(start * self.scale) - 2, int(end * self.scale) + 3
            return slice(min(max(first, 0), size), min(max(last, 0), size))

        return cut(y0 - self.top, y1 - self.top, rows), cut(x0 - self.left, x1 - self.left, columns)

    def fill(self, mask: Mask, colour: Colour | Array, opacity: float = 1.0) -> None:
        """Lay a colour (or one colour a row) over what is there."""
        cover, pixels = mask.values * opacity, self.pixels[mask.window]
        paint = np.asarray(colour, np.float32)
        pixels += ((paint[mask.window[0]] if paint.ndim == 3 else paint) - pixels) * cover[..., None]
        alpha = self.alpha[mask.window]
        np.maximum(alpha, cover, out=alpha)

    def light(self, strength: Mask, colour: Colour) -> None:
        """Add light; the picture saturates softly when it is taken."""
        self.pixels[strength.window] += strength.values[..., None] * np.asarray(colour, np.float32)

    def shade(self, mask: Mask, factor: float) -> None:
        """Darken towards `factor` where the mask covers."""
        self.pixels[mask.window] *= (1.0 - mask.values * (1.0 - factor))[..., None]

    def polygon(self, points: Sequence[Point], soft: float = 0.0) -> Mask:
        """A convex polygon, its points clockwise on the screen."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        window = self.window(min(xs) - soft, min(ys) - soft, max(xs) + soft, max(ys) + soft)
        return self._mask(window, polygon_distance(*self._at(window), points), soft)

    def box(self, x0: float, y0: float, x1: float, y1: float, radius: float = 0.0, soft: float = 0.0) -> Mask:
        """A rectangle, its corners rounded by `radius`."""
        window = self.window(x0 - soft, y0 - soft, x1 + soft, y1 + soft)
        x, y = self._at(window)
        dx = np.abs(x - (x0 + x1) / 2) - ((x1 - x0) / 2 - radius)
        dy = np.abs(y - (y0 + y1) / 2) - ((y1 - y0) / 2 - radius)
        outside = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0))
        return self._mask(window, outside + np.minimum(np.maximum(dx, dy), 0.0) - radius, soft)

    def line(self, start: Point, end: Point, width: float, end_width: float | None = None, soft: float = 0.0) -> Mask:
        """A stroke with round ends, `width` thick at the start and `end_width` at the end."""
        (x0, y0), (x1, y1) = start, end
        far = max(width, end_width or 0.0) / 2 + soft
        window = self.window(min(x0, x1) - far, min(y0, y1) - far, max(x0, x1) + far, max(y0, y1) + far)
        distance, along = segment_distance(*self._at(window), start, end)
        thick = width if end_width is None else width + (end_width - width) * along
        return self._mask(window, distance - thick / 2, soft)

    def ellipse(self, centre: Point, rx: float, ry: float, soft: float = 0.0) -> Mask:
        """An ellipse; the distance is the first-order estimate, good enough for edges a few pixels wide."""
        x0, y0 = centre
        window = self.window(x0 - rx - soft, y0 - ry - soft, x0 + rx + soft, y0 + ry + soft)
        x, y = self._at(window)
        u, v = (x - x0) / rx, (y - y0) / ry
        radius = np.hypot(u, v) + 1e-6
        gradient = np.hypot(u / rx, v / ry) / radius + 1e-6
        return self._mask(window, (radius - 1.0) / gradient, soft)

    def glow(self, centre: Point, rx: float, ry: float, *, below: float = -math.inf) -> Mask:
        """A soft pool of light, 1 at the centre; `below`: only where y is greater."""
        (x0, y0), reach = centre, 3.0
        window = self.window(x0 - rx * reach, max(y0 - ry * reach, below), x0 + rx * reach, y0 + ry * reach)
        x, y = self._at(window)
        pool = np.exp(-(((x - x0) / rx) ** 2)) * np.exp(-(((y - y0) / ry) ** 2))
        return Mask(window, pool * (y > below))

    def _at(self, window: tuple[slice, slice]) -> tuple[Array, Array]:
        return self.x[:, window[1]], self.y[window[0], :]

    def _mask(self, window: tuple[slice, slice], distance: Array, soft: float) -> Mask:
        edge = max(soft, 1.0 / self.scale)
        return Mask(window, np.clip(0.5 - distance / edge, 0.0, 1.0))


def polygon_distance(x: Array, y: Array, points: Sequence[Point]) -> Array:
    """Signed distance to a convex polygon (exact along its edges, an under-estimate beyond its corners)."""
    distance = np.full(np.broadcast_shapes(x.shape, y.shape), -np.inf, np.float32)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        length = float(np.hypot(x1 - x0, y1 - y0))
        if length > 0.0:
            distance = np.maximum(distance, ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length)
    return distance


def segment_distance(x: Array, y: Array, start: Point, end: Point) -> tuple[Array, Array]:
    """Distance to a segment, and how far along it (0..1) the nearest point lies."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy or 1e-9
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / square, 0.0, 1.0)
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    return distance.astype(np.float32), along.astype(np.float32)
