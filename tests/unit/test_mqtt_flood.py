"""A flood of messages: what is new is heard, what repeats is let go, and the last word always counts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agent.devices.mqtt.flood import BACKLOG, CALM, Flood
from rules.events import (
    ButtonPressed,
    ButtonReleased,
    ContactClosed,
    ContactOpened,
    DeviceEvent,
    KeyPressed,
    ReadingTemperature,
    SmokeDetected,
    TamperOpened,
)

TOPIC = "b/door"
MS = 1000


def fact(kind: type[DeviceEvent], **body: Any) -> DeviceEvent:
    return kind(id="-", gt=0, wall=0, device="door", **body)


class Line:
    """A topic at 50 messages a second, and what became of each message."""

    def __init__(self, *, burst: int = 10) -> None:
        self.flood: Flood[int] = Flood(topics=[TOPIC], per_second=50, burst=burst)
        self.now = 0
        self.decided: list[tuple[int, list[DeviceEvent]]] = []
        self.settled: list[int] = []
        self._number = 0

    def says(self, *facts: DeviceEvent) -> int:
        self._number += 1
        settled: list[int] | None = None
        if not self.flood.within(TOPIC, self.now):
            settled = self.flood.excess(TOPIC, self._number, list(facts), self.now)
        if settled is None:
            self.decided.append((self._number, list(facts)))
        else:
            self.settled += settled
        return self._number

    def passes(self, micros: int) -> None:
        end = self.now + micros
        while (wait := self.flood.due(self.now)) is not None and self.now + wait <= end:
            self.now += wait
            for name in self.flood.ready(self.now):
                held = self.flood.begin(name)
                self.decided.append((held.message, held.facts))
                self.flood.end(name)
        self.now = end

    @property
    def words(self) -> list[str]:
        return [each.kind for _, facts in self.decided for each in facts]


OPENED, CLOSED = fact(ContactOpened), fact(ContactClosed)


def test_within_the_rate_every_message_counts() -> None:
    line = Line()
    for _ in range(500):
        line.says(CLOSED)
        line.passes(20 * MS)
    assert len(line.decided) == 500
    assert line.flood.floods() == []


def test_a_burst_counts_too() -> None:
    line = Line(burst=300)
    for _ in range(300):
        line.says(CLOSED)
    assert len(line.decided) == 300
    assert line.flood.floods() == []
    line.says(CLOSED)
    assert line.flood.floods() == [TOPIC]


def test_beyond_it_repetitions_and_readings_are_let_go() -> None:
    line = Line()
    for _ in range(10):
        line.says(CLOSED)
    first = line.says(CLOSED)  # nothing is known of a flood that begins: its first word counts
    for _ in range(1000):
        line.says(CLOSED)
        line.says(fact(ReadingTemperature, value=1.0))
    assert len(line.settled) == 2000
    line.passes(25 * MS)
    assert line.decided[10][0] == first
    assert len(line.decided) == 11


def test_an_alarm_in_the_flood_is_heard_with_the_next_drop() -> None:
    line = Line()
    for _ in range(5000):
        line.says(CLOSED)
    alarm = line.says(OPENED)
    line.says(OPENED)
    for _ in range(5000):
        line.says(fact(ReadingTemperature, value=1.0))
    line.passes(40 * MS)
    assert alarm in [number for number, _ in line.decided]
    assert line.words[-1] == "contact.opened"


@pytest.mark.parametrize("kind", [SmokeDetected, TamperOpened, ButtonPressed])
def test_no_alarm_is_muted(kind: type[DeviceEvent]) -> None:
    line = Line()
    for _ in range(1000):
        line.says(CLOSED)
    line.says(fact(kind), CLOSED)
    line.says(CLOSED)
    line.passes(60 * MS)
    assert kind.kind in line.words


def test_back_and_forth_costs_no_more_than_its_rate_and_ends_right() -> None:
    line = Line()
    for number in range(20_000):  # 20,000 in a second
        line.says(OPENED if number % 2 else CLOSED)
        line.passes(50)
    assert len(line.decided) < 10 + 55
    assert "contact.opened" in line.words
    line.passes(60 * MS)
    assert line.words[-1] == "contact.opened", "the last word"
    assert line.flood.due(line.now) is None
    assert sorted([*line.settled, *(number for number, _ in line.decided)]) == list(range(1, 20_001)), "each once"


def test_a_press_between_two_drops_is_not_lost() -> None:
    line = Line()
    for _ in range(100):
        line.says(CLOSED)
    line.passes(60 * MS)
    line.says(fact(ContactOpened))
    line.says(fact(ContactClosed))
    line.passes(60 * MS)
    assert line.words[-2:] == ["contact.opened", "contact.closed"]


def test_presses_and_keys_have_no_state_and_count_once() -> None:
    line = Line()
    for _ in range(1000):
        line.says(fact(ButtonPressed), fact(ButtonReleased))
    for _ in range(1000):
        line.says(fact(KeyPressed, key="panic"))
    line.passes(100 * MS)
    assert line.words.count("button.pressed") < 15
    assert line.words.count("key.pressed") == 1
    assert sorted([*line.settled, *(number for number, _ in line.decided)]) == list(range(1, 2001))


def test_what_waited_while_we_were_away_is_no_flood() -> None:
    line = Line()
    line.flood.backlog()
    for _ in range(BACKLOG):
        line.says(CLOSED)
    assert len(line.decided) == BACKLOG
    line.says(CLOSED)
    assert line.flood.floods() == [TOPIC]


def test_a_flood_is_over_when_it_was_calm() -> None:
    line = Line()
    for _ in range(100):
        line.says(CLOSED)
    line.passes(CALM - MS)
    assert line.flood.calm(line.now) == []
    line.passes(2 * MS)
    assert line.flood.calm(line.now) == [(TOPIC, 89)]
    assert line.flood.floods() == []
    assert line.flood.calm(line.now) == []


def test_what_comes_behind_one_that_waits_does_not_overtake_it() -> None:
    line = Line()
    for _ in range(10):
        line.says(CLOSED)
    line.says(OPENED)
    held = None
    line.now += 25 * MS
    (name,) = line.flood.ready(line.now)
    held = line.flood.begin(name)
    line.now += 100 * MS  # there are drops again, and the one before is still being offered
    behind = line.says(CLOSED)
    line.flood.end(name)
    assert held.facts == [OPENED]
    assert behind not in [number for number, _ in line.decided]
    line.passes(20 * MS)
    assert line.decided[-1] == (behind, [CLOSED])


def test_any_talk_at_all() -> None:
    """Whatever is said: each message is decided or settled once, and the state at the end is the last that was said."""
    chance = random.Random(7)
    for _ in range(200):
        line = Line(burst=chance.randint(10, 30))
        last = ""
        for _ in range(chance.randint(1, 400)):
            spoken = chance.choice([OPENED, CLOSED, fact(TamperOpened), fact(ReadingTemperature, value=2.0)])
            line.says(spoken)
            if spoken in (OPENED, CLOSED):
                last = spoken.kind
            line.passes(chance.choice([0, 0, 10, 1000, 30 * MS]))
        line.passes(1000 * MS)
        numbers = [*line.settled, *(number for number, _ in line.decided)]
        assert sorted(numbers) == list(range(1, line._number + 1))
        states = [word for word in line.words if word.startswith("contact.")]
        assert (states[-1] if states else "") == last


def test_topics_nobody_knows_cost_no_memory() -> None:
    line = Line()
    for number in range(10_000):
        assert line.flood.within(f"b/{number}", 0)
    assert line.flood.floods() == []
    assert len(line.flood._topics) == 1
