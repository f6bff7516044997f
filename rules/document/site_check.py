"""What a model alone cannot see in a site document: names used but not defined, defined twice, and rules that could
never do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.document.access_check import access_mistakes
from rules.document.panel_check import panel_mistakes
from rules.document.rule_check import check_rule
from rules.document.schedule_check import schedule_mistakes
from rules.document.site_words import Words
from rules.document.tells import Mistake, twice

if TYPE_CHECKING:
    from rules.document.site import Site


def mistakes(site: Site) -> list[Mistake]:
    """Every such mistake, with the path of the word that is wrong."""
    found = list(_twice(site))
    found += schedule_mistakes(site)
    found += panel_mistakes(site)
    found += access_mistakes(site)
    words = Words.of(site)
    for n, rule in enumerate(site.rules):
        found += check_rule(("rules", n), rule, words)
    return found


def _twice(site: Site) -> Iterator[Mistake]:
    """Names and whole topics that two things claim."""
    yield from twice("devices", (device.id for device in site.devices))
    yield from twice("rules", (rule.id for rule in site.rules))
    topics: set[str] = set()
    for n, device in enumerate(site.devices):
        if device.mqtt is not None and device.mqtt.field is None and device.type != "keypad":
            if device.mqtt.topic in topics:
                message = f"topic {device.mqtt.topic!r} is read whole by two devices; give each its `field`"
                yield ("devices", n, "mqtt", "topic"), message
            topics.add(device.mqtt.topic)
