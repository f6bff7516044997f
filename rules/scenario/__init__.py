"""Scenarios: a site, a timeline of what happens, and what must follow. They read as the specification and run as tests.

`load_scenario` reads one, `play` plays it on a real engine, `differences` plays it in every way that must not matter.
"""

from __future__ import annotations

from rules.scenario.document import Loaded, load_scenario
from rules.scenario.player import GATEWAY, WAYS, Played, Way, differences, log_of, play, story_of
from rules.scenario.transcript import transcript

__all__ = [
    "GATEWAY",
    "WAYS",
    "Loaded",
    "Played",
    "Way",
    "differences",
    "load_scenario",
    "log_of",
    "play",
    "story_of",
    "transcript",
]
