"""Playing a scenario: what is compared, how it is told, and that a difference between the ways of playing is found."""

from __future__ import annotations

import json
import re

import pytest

from rules.actions import Action, Append
from rules.engine import Engine
from rules.events import Event, TimePassed
from rules.incidents import Entry
from rules.scenario import Loaded, differences, load_scenario, log_of, play, transcript
from rules.wire import read

SITE = """
  site: {id: house, name: The House, timezone: Europe/Zurich}
  devices:
    - {id: door, name: Front door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
    - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, on: ON, off: OFF,
        command: {topic: b/siren/set, on: ON, off: OFF}}}
    - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
  rules:
    - id: alarm
      name: Door opened
      when: {event: contact.opened, device: door}
      then:
        - open_incident: {severity: high, title: "{{ device.name }} opened", group: 0s}
        - save_clip: {cameras: [cam]}
        - command: {device: siren, set: on, for: 1m}
"""
OPENED = ["opened Front door opened (high)", "siren on for 1m", "still of cam", "clip of cam -10s +30s"]


def scenario(timeline: str) -> Loaded:
    """A door that rings for a minute."""
    text = f"scenario: The door\nsays: It rings.\nsite:{SITE}timeline:\n{timeline}"
    return load_scenario(text, "door.yaml", lambda name: ("", name))


RINGS = scenario(
    f"""
  - {{at: 5s, do: {{event: contact.opened, device: door}}, expect: {json.dumps(OPENED)}}}
  - {{states: {{output siren: on, incident 1: open}}}}
"""
    """
  - {at: +10s, do: {command: silence, device: siren, by: Ada}, expect: ["siren off", "done: siren told to be silent"]}
  - {at: +1s, do: {entry: resolved}, states: {incident 1: resolved}}
  - {at: +1s, do: {event: contact.closed, device: door}, expect: []}
  - {at: 1h, do: {event: contact.opened, device: door}}
  - {at: +2m, expect: [1h1m siren off], states: {output siren: off, incident 1: resolved, incident 2: not resolved}}
"""
)


def test_what_goes_as_expected_says_nothing() -> None:
    assert [each.failures for each in play(RINGS)] == [[]] * 7
    assert differences(RINGS) == []


def test_time_of_a_timer_between_the_steps_stands_before_its_line() -> None:
    steps = play(RINGS)
    assert steps[0].lines == OPENED
    assert steps[6].lines == ["1h1m siren off"]


def test_a_timer_at_the_very_moment_of_a_step_belongs_to_it() -> None:
    loaded = scenario(
        """
  - {at: 0s, do: {event: contact.opened, device: door}}
  - {at: 1m - 1us, expect: []}
  - {at: 1m, expect: [siren off]}
  - {at: 1m + 1us, expect: []}
"""
    )
    assert [each.failures for each in play(loaded)] == [[]] * 4
    assert differences(loaded) == []


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("{do: {event: contact.opened, device: door}, expect: []}", "other things became visible than expected"),
        ("{do: {event: contact.opened, device: door}, expect_not: ['siren*']}",
         "'siren on for 1m' became visible and must not (siren*)"),
        ("{do: {event: contact.opened, device: door}, states: {output siren: off}}",
         "output siren is on and should be off"),
        ("{do: {event: contact.opened, device: door}, states: {incident 1: not open}}",
         "incident 1 is open and should be not open"),
        ("{do: {event: contact.opened, device: door}, states: {rule alarm: muted}}",
         "rule alarm is normal and should be muted"),
        ("{expect: [], do: {entry: acknowledged, incident: 3}}", "there is no incident 3 by now, only 0"),
        ("{states: {incident 1: open}}", "incident 1 is not there (0 incidents) and should be open"),
    ],
)  # fmt: skip
def test_what_does_not_go_as_expected_is_said(step: str, failure: str) -> None:
    assert failure in play(scenario(f"  - {step}\n"))[0].failures


def test_a_pattern_matches_behind_the_time_as_well() -> None:
    loaded = scenario("  - {do: {event: contact.opened, device: door}}\n  - {at: 2m, expect_not: ['siren off']}\n")
    assert play(loaded)[1].failures == ["'1m siren off' became visible and must not (siren off)"]


def test_the_transcript_reads_from_top_to_bottom() -> None:
    loaded = scenario(
        """
  - {do: {event: contact.opened, device: door}, expect: [siren on for 1m, siren off], says: the first thing}
  - {at: 2m}
  - {at: +1m, do: {boot: {off: 10s, clean: false}}}
  - {at: +1m, do: {boot: {off: unknown, clean: true}}}
  - {at: +1m, do: {clock_steps: -1h}}
"""
    )
    assert transcript(loaded, play(loaded)).splitlines() == [
        "The door (door.yaml)",
        "  begins 2026-01-14 20:00:00",
        "        0s  event contact.opened, device door  line 20",
        "            # the first thing",
        "          >>> found:    opened Front door opened (high)",
        "              siren on for 1m",
        "          >>> expected: siren off",
        "          >>> found:    still of cam",
        "          >>> found:    clip of cam -10s +30s",
        "          >>> other things became visible than expected",
        "        2m  time passes",
        "              1m siren off",
        "        3m  the gateway starts (power loss, off 10s)",
        "        4m  the gateway starts (orderly, off unknown)",
        "        5m  clock_steps -1h",
    ]


def test_a_transcript_can_say_why() -> None:
    loaded = scenario("  - {do: {event: contact.opened, device: door}, expect: []}\n")
    assert re.search(r"\. rule alarm: fired by contact\.opened of door", transcript(loaded, play(loaded), trace=True))


def test_the_log_has_each_input_and_what_was_made_of_it() -> None:
    kinds = [read(data).kind for data in log_of(RINGS)]
    assert kinds[:3] == ["contact.opened", "incident.opened", "effect.commanded"]
    assert kinds.count("time.passed") == 3  # two looks, and the end of the second siren
    assert "incident.resolved" in kinds


# --- a broken engine is found out ---


def test_an_engine_that_keeps_something_outside_its_snapshot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.step
    seen: dict[int, int] = {}

    def forgetful(self: Engine, fact: Event | Entry) -> list[Action]:
        seen[id(self)] = seen.get(id(self), 0) + 1
        actions = whole(self, fact)
        return [] if seen[id(self)] > 3 else actions  # counts in itself, not in its memory

    monkeypatch.setattr(Engine, "step", forgetful)
    assert any(line.startswith("restored:") for line in differences(RINGS))


def test_an_engine_whose_timers_end_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.step

    def late(self: Engine, fact: Event | Entry) -> list[Action]:
        if not isinstance(fact, TimePassed):
            self._state.timers.clear()  # what nobody woke it for is lost
        return whole(self, fact)

    monkeypatch.setattr(Engine, "step", late)
    loaded = scenario(
        """
  - {at: 5s, do: {event: contact.opened, device: door}}
  - {at: 2m, do: {event: contact.closed, device: door}, expect: [1m5s siren off]}
"""
    )
    assert any(line.startswith("unwoken:") for line in differences(loaded))


def test_an_engine_that_answers_its_own_log_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.step

    def echo(self: Engine, fact: Event | Entry) -> list[Action]:
        actions = whole(self, fact)
        own = isinstance(fact, Entry) and fact.origin == "gw-1" and not actions
        return [Append(entry=fact)] if own and isinstance(fact, Entry) else actions

    monkeypatch.setattr(Engine, "step", echo)
    assert any(line.startswith("log: [log]") for line in differences(RINGS))
