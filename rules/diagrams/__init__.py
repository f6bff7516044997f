"""Timing diagrams and pages about the types of zones, drawn from what the engine itself does in a scenario."""

from __future__ import annotations

from rules.diagrams.lanes import Lane, Span, lanes_of
from rules.diagrams.pages import page, pages
from rules.diagrams.svg import draw

__all__ = ["Lane", "Span", "draw", "lanes_of", "page", "pages"]
