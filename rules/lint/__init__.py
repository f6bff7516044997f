"""Advice on a site document that is right and could be wiser. Pure; nothing here is a claim of compliance with any
standard: the figures come from summaries by third parties, and a building is judged by people."""

from __future__ import annotations

from rules.document.figures import CLOCK_EN, LOG_DAYS_EN, LOG_EVENTS_EN
from rules.document.site import Site
from rules.lint.advice import SOURCES, Advice, Source
from rules.lint.arming import arming_advice
from rules.lint.doors import door_advice
from rules.lint.partitions import partition_advice
from rules.lint.site import site_advice
from rules.lint.zones import zone_advice
from rules.units import MINUTE

__all__ = ["BESIDE", "SOURCES", "Advice", "Source", "lint"]

# What to look at that stands in no document.
BESIDE = (
    f"beside the document: keep {', '.join(map(str, LOG_EVENTS_EN[:-1]))} or {LOG_EVENTS_EN[-1]} events by grade and"
    f" {LOG_DAYS_EN} days of them, and a clock within {CLOCK_EN // MINUTE} minutes a year [EN 50131]"
)


def lint(site: Site) -> list[Advice]:
    """All advice on a document without mistakes, in the order of its parts."""
    return [
        *site_advice(site),
        *partition_advice(site),
        *arming_advice(site),
        *zone_advice(site),
        *door_advice(site),
    ]
