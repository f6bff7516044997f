"""The scenario format: what it takes, and where it says that something is wrong."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.document.places import Places
from rules.errors import DocumentError
from rules.scenario import Loaded, differences, load_scenario, play, transcript
from rules.scenario.merge import Merged, with_digests
from rules.scenario.times import Moment, moment, signed, spoken

BASE = """
site: {id: house, name: The House, timezone: Europe/Zurich}
devices:
  - {id: door, name: Front door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: hatch, type: contact, mqtt: {topic: b/hatch, field: contact, open: false, closed: true}}
"""
HEAD = "scenario: A title\nsays: What it shows.\nuses: house\ntimeline:\n"
OVER = "scenario: A\nsays: B\nuses: house\ntimeline: [{expect: []}]\n"
SECOND = 1_000_000


def load(text: str) -> Loaded:
    """A scenario in a house with a door and a hatch."""

    def find(name: str) -> tuple[str, str]:
        if name != "house":
            raise LookupError(f"there is no site {name}")
        return BASE, "house.yaml"

    return load_scenario(text, "s.yaml", find)


def mistakes(text: str) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(DocumentError) as error:
        load(text)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0s", 0),
        ("1us", 1),
        ("500ms", 500_000),
        ("1m30s", 90 * SECOND),
        ("+5s", 5 * SECOND),
        ("-1h", -3600 * SECOND),
        ("30s - 1us", 30 * SECOND - 1),
        ("30s-1us", 30 * SECOND - 1),
        ("60s + 3m + 1us", 240 * SECOND + 1),
        ("2d", 2 * 86_400 * SECOND),
        ("1h2m3s4ms5us", 3723 * SECOND + 4005),
    ],
)
def test_times_are_exact_to_the_microsecond(text: str, micros: int) -> None:
    assert signed(text) == micros


@pytest.mark.parametrize("text", ["", "5", "five", "5s5s", "5s 5s", "1s -", "1.5s", "1h-", " ", "s", 5, None])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a time; write for example"):
        signed(text)


def test_a_plus_in_front_counts_from_the_step_before() -> None:
    assert moment("+5s") == Moment(True, 5 * SECOND)
    assert moment("5s") == Moment(False, 5 * SECOND)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0s"), (1, "0.000001s"), (90 * SECOND, "1m30s"), (3 * 60 * SECOND, "3m"), (30 * SECOND - 1, "29.999999s"),
     (-3600 * SECOND, "-1h"), (3600 * SECOND + SECOND, "1h1s")],
)  # fmt: skip
def test_durations_are_shown_as_people_write_them(micros: int, text: str) -> None:
    assert spoken(micros) == text
    assert micros < 0 or "." in text or signed(text) == micros


def test_a_scenario_that_says_everything_is_read() -> None:
    loaded = load(
        "scenario: A title\nsays: What it shows.\nuses: house\nat: 2026-10-25 01:59:59\n"
        "with: {devices: [{id: door, name: Back door}]}\n"
        "timeline:\n"
        "  - {do: {event: contact.opened, device: door}, expect: [], says: the first}\n"
        "  - {at: +1s, expect_not: ['*'], states: {incident 1: 'not there'}}\n"
    )
    assert [device.title for device in loaded.world.site.devices] == ["Back door", "hatch"]
    assert [len(step.expect or []) for step in loaded.scenario.timeline] == [0, 0]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("{at: soon, expect: []}", "s.yaml:5:10: timeline.0.at: 'soon' is not a time"),
        ("{do: {knock: door}, expect: []}", "timeline.0.do: a mapping: what happens is exactly one of event, code"),
        ("{do: {event: contact.opend, device: door}, expect: []}", "did you mean contact.opened?"),
        ("{do: {event: zone.alarmed, zone: z}, expect: []}", "'zone.alarmed' is not an event that can happen"),
        ("{do: {event: contact.opened, device: dor}, expect: []}", "s.yaml:5:42: timeline.0.do.device: 'dor' is no "
         "device of this site; did you mean door?"),
        ("{do: {event: contact.opened}, expect: []}", "contact.opened needs device"),
        ("{do: {event: contact.opened, device: door, nn: 1}, expect: []}", "contact.opened has no nn"),
        ("{do: {event: contact.opened, device: door, n: one}, expect: []}", "timeline.0.do"),
        ("{do: {code: ada, on: pad}, expect: []}", "'pad' is no device of this site"),
        ("{do: {code: ada, on: door}, expect: []}", "'ada' is nobody of this site"),
        ("{do: {key: panic, on: door}, expect: []}", "s.yaml:5:27: timeline.0.do.on: door is a contact; codes, cards "
         "and keys come from a keypad or a reader"),
        ("{do: {event: motion.started, device: door}, expect: []}", "s.yaml:5:18: timeline.0.do.event: door is a "
         "contact and never tells motion.started (it tells contact.closed, contact.opened)"),
        ("{do: {digits: '1', on: door, wish: arm_al}, expect: []}", "do.wish: 'arm_al' is not one of arm_away, arm_"),
        ("{do: {code: ada, on: door, wish: arm_al}, expect: []}", "s.yaml:5:38: timeline.0.do.wish: 'arm_al' is not"),
        ("{states: {partition shop: disarmed}}", "s.yaml:5:31: timeline.0.states.partition shop: 'shop' is no "
         "partition of this site; known: none"),
        ("{states: {output door: off}}", "'door' is no output of this site; known: none"),
        ("{states: {lockdown: of}}", "'of' is not one of normal, off, on; did you mean off?"),
        ("{states: {zones hall: normal}}", "'zones' is nothing that has a state; did you mean zone?"),
        ("{do: {entry: acknowledge}, expect: []}", "did you mean acknowledged?"),
        ("{do: {key: off, on: door}, expect: []}", "is not one of arm_away"),
        ("{do: {boot: {off: sometimes}}, expect: []}", "'sometimes' is not a time"),
        ("{do: {clock_steps: back}, expect: []}", "'back' is not a time"),
        ("{expects: []}", "is not a known key here (known: at, do, expect, expect_not, states, says); did you mean "
         "expect?"),
        ("{at: 0s}", "nothing is expected anywhere"),
        ("{do: {document: {devices: [{id: door, type: contct}]}}, expect: []}", "s.yaml:5:49: devices.0.type"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_the_nearest_word(step: str, sentence: str) -> None:
    found = mistakes(f"{HEAD}  - {step}\n")
    assert any(sentence in each for each in found), found


def test_a_step_before_the_one_above_it_is_a_mistake() -> None:
    assert mistakes(f"{HEAD}  - {{at: 5s, expect: []}}\n  - {{at: 4s, expect: []}}\n") == [
        "s.yaml:6:10: timeline.1.at: this is before the step above it"
    ]


def test_a_scenario_plays_in_one_place() -> None:
    text = "scenario: A\nsays: B\ntimeline: [{expect: []}]\n"
    assert "say where it plays" in mistakes(text)[0]
    assert "say where it plays" in mistakes(text + "uses: house\nsite: {site: {id: a, name: A}}\n")[0]
    assert mistakes(text + "uses: hous\n") == ["s.yaml:4:7: uses: there is no site hous"]


def test_a_mistake_in_what_is_laid_over_is_found_where_it_stands() -> None:
    (problem,) = mistakes(OVER + "with:\n  devices:\n    - {id: hatch, type: contct}\n")
    assert problem.startswith("s.yaml:7:25: devices.1.type: 'contct' is not one of")


def test_a_mistake_that_comes_of_laying_over_names_the_base() -> None:
    assert mistakes(OVER + "with:\n  site: {timezone: Nowhere}\n")[0].startswith("s.yaml:6:20: site.timezone")
    assert "say in mqtt what is `open`" in mistakes(OVER + "with: {devices: [{id: door, mqtt: {open: null}}]}\n")[0]


def merged(*texts: str) -> object:
    """What these documents add up to."""
    whole = Merged(file="a.yaml")
    for n, text in enumerate(texts):
        whole.lay(Places(text=text, file=f"{n}.yaml"))
    return whole.data


def test_what_is_laid_over_merges_by_key_and_by_identity() -> None:
    assert merged("{a: 1, b: {c: 2, d: 3}}", "{b: {c: 4}, e: 5}") == {"a": 1, "b": {"c": 4, "d": 3}, "e": 5}
    assert merged("{a: [{id: x, n: 1}, {id: y, n: 2}]}", "{a: [{id: y, n: 3}, {id: z, n: 4}]}") == {
        "a": [{"id": "x", "n": 1}, {"id": "y", "n": 3}, {"id": "z", "n": 4}]
    }
    assert merged("{k: [{device: p, partition: a}]}", "{k: [{device: p, tries: 3}]}") == {
        "k": [{"device": "p", "partition": "a", "tries": 3}]
    }
    assert merged("{a: [1, 2]}", "{a: [3]}") == {"a": [3]}
    assert merged("{a: [{n: 1}]}", "{a: [{n: 2}]}") == {"a": [{"n": 2}]}
    assert merged("{a: 1, b: 2}", "{a: null}") == {"b": 2}
    assert merged("{a: {b: 1}}", "{a: 2}") == {"a": 2}


def test_laying_over_leaves_what_was_there_untouched() -> None:
    below = Places(text="{a: [{id: x, n: 1}], b: {c: 1}}", file="0.yaml")
    whole = Merged(file="a.yaml")
    whole.lay(below)
    above = whole.copy()
    above.lay(Places(text="{a: [{id: x, n: 2}], b: {c: 2}}", file="1.yaml"))
    assert whole.data == below.data == {"a": [{"id": "x", "n": 1}], "b": {"c": 1}}


def test_digits_in_a_site_stand_for_their_digest() -> None:
    digest = hashlib.sha256(b"1234").hexdigest()
    assert with_digests({"people": [{"codes": [{"digest": {"of": "1234"}}]}], "of": "x"}) == {
        "people": [{"codes": [{"digest": digest}]}],
        "of": "x",
    }


def test_the_begin_is_local_time() -> None:
    assert "leave the offset out" in mistakes("at: 2026-01-14T20:00:00+01:00\n" + HEAD + "  - {expect: []}\n")[0]
    assert "is not a local time" in mistakes("at: tonight\n" + HEAD + "  - {expect: []}\n")[0]


def test_playing_counts_from_the_begin_and_from_the_step_before() -> None:
    loaded = load(f"{HEAD}  - {{at: 5s, expect: []}}\n  - {{at: +5s}}\n  - {{}}\n  - {{at: 1m - 1us}}\n")
    assert [each.at for each in play(loaded)] == [5 * SECOND, 10 * SECOND, 10 * SECOND, 60 * SECOND - 1]


WHOLE = """\
scenario: A title
says: What it shows.
uses: house
with: {devices: [{id: door, name: Back door}]}
at: 2026-10-25 01:59:59
timeline:
  - {at: 0s, do: {boot: {off: unknown, clean: false}}, expect: []}
  - {at: 1s, do: {event: contact.opened, device: door, delivery: live, n: 1}, expect_not: ["*"]}
  - {at: +5s - 1us, do: {command: silence, device: door, by: Ada, from: box}, states: {incident 1: open}}
  - {at: +1us, do: {entry: acknowledged, incident: 1, until: 5m, into: 1, lamport: 3}}
  - {do: {clock_steps: -1h}}
  - {do: {document: {devices: [{id: hatch, name: Hatch}]}}}
  - {at: 1h, says: the end}
"""
_BITS = ["", "-1", "0", "null", "{}", "[]", "'", "*", "x", "999999999d", "incident 0", "on", ": ", "\n", "[{id: 5}]"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(_BITS)), max_size=3))
def test_whatever_is_written_is_played_or_refused(cuts: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for start, length, instead in cuts:
        text = text[:start] + instead + text[start + length :]
    try:
        loaded = load(text)
    except DocumentError:
        return
    transcript(loaded, play(loaded))
    assert differences(loaded) == []
