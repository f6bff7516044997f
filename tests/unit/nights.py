"""A night to look back at: its site, its scenario, its log."""

from __future__ import annotations

import hashlib

from rules.document.site import load_site
from rules.engine import Engine
from rules.scenario import GATEWAY, Loaded, load_scenario, log_of
from rules.walk import Version, Walk

SITE = """\
site: {id: house, name: The House, timezone: Europe/Zurich}
devices:
  - {id: door, name: Front door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: hall, name: Hall, type: motion, mqtt: {topic: b/hall, field: motion, on: true, off: false}}
  - {id: pad, type: keypad, mqtt: {topic: b/pad, code: code, wish: wish, key: key}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, on: ON, off: OFF,
      command: {topic: b/siren/set, on: ON, off: OFF}}}
partitions:
  - {id: house, exit_delay: 60s, entry_delay: 30s, abort_window: 0s, sirens: [siren], siren_for: 3m}
zones:
  - {id: front-door, name: Front door, device: door, type: entry_exit, partition: house}
  - {id: hall, name: Hall, device: hall, type: follower, partition: house}
rules:
  - id: late-visit
    name: Late visit
    when: {event: contact.opened, device: door}
    if: [{schedule: late}, {state: {device: hall, is: off}}]
    then: [{open_incident: {severity: low, title: A late visit, group: 0s}}]
schedules:
  late: {weekly: [{days: [mon-sun], from: 22:00, to: 06:00}]}
"""
NIGHT = """
scenario: A night
says: Somebody comes at ten, and again at eleven.
uses: night
at: 2026-01-14 21:00:00
timeline:
  - {at: 0s, do: {event: contact.closed, device: door}, expect: []}
  - {at: 1s, do: {event: motion.ended, device: hall}}
  - {at: 50m, do: {event: contact.opened, device: door}}
  - {at: +5s, do: {event: contact.closed, device: door}}
  - {at: 1h10m, do: {event: contact.opened, device: door}}
  - {at: +5s, do: {event: contact.closed, device: door}}
  - {at: +1m, do: {event: motion.started, device: hall}}
  - {at: 2h, do: {event: contact.opened, device: door}}
  - {at: +5s, do: {event: contact.closed, device: door}}
"""


def digest(text: str) -> str:
    """The identity of a document."""
    return hashlib.sha256(text.encode()).hexdigest()


def night(timeline: str = NIGHT, *, site: str = SITE) -> Loaded:
    """The scenario in its site."""
    return load_scenario(timeline, "night.yaml", lambda _: (site, "site.yaml"))


def log(timeline: str = NIGHT) -> list[bytes]:
    """What the gateway wrote."""
    return log_of(night(timeline))


def version(site: str = SITE, number: int = 1) -> Version:
    """A document as a version."""
    return Version(number, digest(site), load_site(site, "site.yaml"))


def walk(site: str = SITE) -> Walk:
    """A new engine under this document."""
    it = version(site)
    return Walk(
        engine=Engine(site=it.site, site_sha256=it.sha256, origin=GATEWAY), version=it, gateway=GATEWAY
    )
