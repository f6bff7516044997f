"""Where in the program an error came from. Its own text is left out: it may repeat what must not be repeated."""

from __future__ import annotations

import traceback
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OURS = ("agent", "certs", "rules", "tests")
_DEEP = 8


def where(error: BaseException) -> str:
    """`KeyError in rules/panel/panel.py, line 9`, or the type alone when no line of ours had a part in it."""
    lines = _ours(error)
    return f"{type(error).__name__} in {lines[0]}" if lines else type(error).__name__


def path_to(error: BaseException) -> str:
    """The way there through our own lines, the innermost first; for a group, that of each of its errors."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(path_to(part) for part in error.exceptions)
    return " < ".join([type(error).__name__, *_ours(error)[:_DEEP]])


def _ours(error: BaseException) -> list[str]:
    lines = []
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and (inside := path.relative_to(_ROOT)).parts[0] in _OURS:
            lines.append(f"{inside}, line {frame.lineno}")
    return lines
