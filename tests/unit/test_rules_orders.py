"""What people may ask for through a relay: who may, with a code or without, and what is said when not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from rules import ids
from rules.access.levels import ACTS
from rules.actions import Append, Note
from rules.document.site import load_site
from rules.engine import Engine
from rules.events import (
    CommandDecided,
    CommandReceived,
    ContactClosed,
    ContactOpened,
    Event,
    MotionEnded,
    StorageAmple,
    StorageFull,
    TimePassed,
)

SECOND = 1_000_000
WALL = 1_768_400_000_000_000


def digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


SITE = f"""
site: {{id: house, name: The House}}
devices:
  - {{id: front, type: contact, mqtt: {{topic: b/front, field: contact, open: false, closed: true}}}}
  - {{id: hall, type: motion, mqtt: {{topic: b/hall, field: seen, on: true, off: false}}}}
  - {{id: siren, type: siren, mqtt: {{topic: b/siren, field: s, on: 1, off: 0, command: {{topic: c, on: A, off: B}}}}}}
  - {{id: bolt, type: lock, mqtt: {{topic: b/bolt, field: s, on: 1, off: 0, command: {{topic: b/b, on: A, off: B}}}}}}
partitions:
  - {{id: ground, exit_delay: 45s, sirens: [siren], abort_window: 0s}}
zones:
  - {{id: front-door, device: front, type: entry_exit, partition: ground}}
  - {{id: hall-motion, device: hall, type: perimeter, partition: ground}}
doors:
  - {{id: gate, lock: bolt, from: outside, to: inside}}
people:
  - {{id: ada, name: Ada, codes: [{{digest: "{digest("1234")}"}}, {{digest: "{digest("9999")}", duress: true}}]}}
  - {{id: bo, name: Bo, level: 3, codes: [{{digest: "{digest("5678")}"}}]}}
  - {{id: cy, name: Cy, level: 1, codes: [{{digest: "{digest("1111")}"}}]}}
"""


class House:
    """One engine; `ask` gives the answer, `kinds` what the last step made."""

    def __init__(self) -> None:
        self.engine = Engine(site=load_site(SITE, "site.yaml"), site_sha256="a" * 64, origin="gw-1")
        self.gt, self.n = 1_000 * SECOND, 0
        self.kinds: list[str] = []
        self.made: list[Any] = []
        self.step(ContactClosed, device="front")
        self.step(MotionEnded, device="hall")

    def step(self, kind: type[Event], *, after: int = SECOND, **body: Any) -> None:
        self.gt, self.n = self.gt + after, self.n + 1
        fact = kind(id=ids.derived("t", self.n), gt=self.gt, wall=WALL + self.gt, **body)
        # Whatever is asked, a restart at this moment changes nothing.
        shadow = Engine.restore(
            self.engine.snapshot(), site=load_site(SITE, "site.yaml"), site_sha256="a" * 64, origin="gw-1"
        )
        actions = self.engine.step(fact)
        assert shadow.step(fact) == actions
        self.made = [action.event for action in actions if isinstance(action, Note)]
        self.made += [action.entry for action in actions if isinstance(action, Append)]
        self.kinds = [each.kind for each in self.made]

    def ask(self, name: str, code: str | None = None, **args: str) -> str:
        self.step(
            CommandReceived, command=ids.derived("c", self.n), name=name, args=args, actor="guard", outlet="box",
            digest=None if code is None else digest(code),
        )  # fmt: skip
        (decided,) = [each for each in self.made if isinstance(each, CommandDecided)]
        return f"{decided.state}: {decided.reason}"


NEEDS = "lowers protection: it takes a code, typed at a keypad or at the relay on the box"


def test_arming_is_anybodys_and_disarming_takes_a_code() -> None:
    house = House()
    assert house.ask("arm", partition="ground") == "done: ground is being armed (away)"
    assert "partition.exiting" in house.kinds
    house.step(TimePassed, after=60 * SECOND)
    assert house.ask("disarm", partition="ground") == f"refused: disarm {NEEDS}"
    assert "partition.disarmed" not in house.kinds
    assert house.ask("disarm", "1234", partition="ground") == "done: ground disarmed"
    (disarmed,) = [each for each in house.made if each.kind == "partition.disarmed"]
    assert disarmed.by == "Ada (as guard)"


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("disarm", {"partition": "ground"}),
        ("force-arm", {"partition": "ground"}),
        ("clear", {"partition": "ground"}),
        ("bypass", {"zone": "hall-motion"}),
        ("unbypass", {"zone": "hall-motion"}),
        ("isolate", {"zone": "hall-motion", "for": "2h"}),
        ("unisolate", {"zone": "hall-motion"}),
        ("test", {"zone": "hall-motion", "for": "1h"}),
        ("end-test", {"zone": "hall-motion"}),
        ("unlock", {"door": "gate"}),
        ("forgive", {"person": "ada"}),
        ("lockdown", {"set": "off"}),
        ("threat", {"level": "0"}),
    ],
)
def test_what_lowers_protection_takes_the_code_of_somebody_who_may(name: str, args: dict[str, str]) -> None:
    house = House()
    if name == "threat":
        assert house.ask("threat", level="3") == "done: the threat level is 3"
    assert house.ask(name, **args) == f"refused: {name} {NEEDS}"
    assert house.kinds == ["command.decided"]
    assert house.ask(name, "0000", **args) == "refused: nobody has this code"
    assert house.ask(name, "1111", **args) == "refused: Cy may not do this here"
    assert house.kinds == ["command.decided"]
    # Somebody of level 3 may do all of it; what is then said is the panel's affair, or the door's.
    assert "lowers protection" not in house.ask(name, "5678", **args)


def test_only_an_installer_isolates_and_tests() -> None:
    house = House()
    args = {"zone": "hall-motion", "for": "2h"}
    assert house.ask("isolate", "1234", **args) == "refused: Ada may not do this here"
    assert house.ask("isolate", "5678", **args) == "done: hall-motion is isolated for 2h"
    assert house.ask("test", "5678", zone="front-door") == "done: front-door is on test"
    assert house.ask("end-test", "5678", zone="front-door") == "done: the test of front-door is over"
    assert house.ask("test", "5678", partition="ground", **{"for": "soon"}).startswith("refused: 'soon' is not a dur")


def test_wrong_codes_lock_out_the_relay_they_came_by() -> None:
    house = House()
    for _ in range(4):
        assert house.ask("disarm", "0000", partition="ground") == "refused: nobody has this code"
    house.ask("disarm", "0000", partition="ground")
    assert "keypad.locked" in house.kinds
    locked = "refused: too many wrong codes: none is taken for a while"
    assert house.ask("disarm", "1234", partition="ground") == locked, "a right one neither"
    house.step(TimePassed, after=90 * SECOND)
    assert house.ask("disarm", "1234", partition="ground") == "done: ground disarmed"


def test_a_wrong_code_counts_where_none_was_needed_too() -> None:
    house = House()
    assert house.ask("arm", "0000", partition="ground") == "refused: nobody has this code"
    assert "code.refused" in house.kinds


def test_duress_is_told_and_looks_like_any_code() -> None:
    usual, forced = House(), House()
    assert usual.ask("disarm", "1234", partition="ground") == forced.ask("disarm", "9999", partition="ground")
    assert "duress.raised" in forced.kinds
    (opened,) = [each for each in forced.made if each.kind == "incident.opened"]
    assert opened.body["covert"] is True


def test_raising_protection_needs_no_code() -> None:
    house = House()
    assert house.ask("lockdown", reason="drill") == "done: the site is locked down"
    assert "lockdown.started" in house.kinds
    assert house.ask("lockdown") == "refused: the site is locked down already"
    assert house.ask("threat", level="2") == "done: the threat level is 2"
    assert house.ask("threat", level="1") == f"refused: threat {NEEDS}"
    assert house.ask("threat", "1234", level="1") == "done: the threat level is 1"
    assert house.ask("lock", door="gate") == "done: gate is locked"
    assert house.ask("muster").startswith("done: 0 people in ")
    assert "muster.taken" in house.kinds


def test_silence_is_for_partitions_too() -> None:
    house = House()
    house.ask("arm", partition="ground")
    house.step(TimePassed, after=60 * SECOND)
    house.step(ContactOpened, device="front")
    house.step(TimePassed, after=60 * SECOND)
    assert "effect.commanded" in house.kinds
    assert house.ask("silence", partition="ground").startswith("done:")
    assert "alarm.silenced" in house.kinds


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("arm", {}, "refused: there is no partition "),
        ("arm", {"partition": "cellar"}, "refused: there is no partition cellar"),
        ("arm", {"partition": "ground", "mode": "party"}, "refused: party is no mode: away, stay, night, custom"),
        ("threat", {}, "refused: threat " + NEEDS),
        ("lock", {"door": "none"}, "refused: none is no door of this site"),
        ("lockdown", {"set": "maybe"}, "refused: a lockdown is `set` on or off"),
        ("open-sesame", {}, "refused: open-sesame is not a command this gateway takes from a relay"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(name: str, args: dict[str, str], says: str) -> None:
    assert House().ask(name, **args) == says


def test_every_right_is_one_that_levels_know() -> None:
    orders = House().engine._commands._orders
    assert {order.act for order in orders.values()} <= ACTS


def test_footage_is_held_for_a_reason_and_released() -> None:
    house = House()
    kept = "done: the footage of this incident is kept until it is released"
    assert house.ask("media.hold", incident="i-1", reason=" asked for by the police ") == kept
    (held,) = [fact for fact in house.made if fact.kind == "media.held"]
    assert (held.incident, held.reason) == ("i-1", "asked for by the police") and held.by
    assert (
        house.ask("media.release", incident="i-1") == "done: the footage of this incident follows the retention again"
    )
    assert [fact.incident for fact in house.made if fact.kind == "media.released"] == ["i-1"]


@pytest.mark.parametrize("args", [{"incident": "i-1", "reason": "  "}, {"reason": "why"}, {"incident": "i" * 101}])
def test_a_hold_without_sense_is_refused(args: dict[str, str]) -> None:
    house = House()
    said = house.ask("media.hold", **args)
    assert said.startswith(("refused: a hold needs a `reason`", "refused: name the `incident`"))
    assert not [fact for fact in house.made if fact.kind == "media.held"]


def test_a_full_disk_is_one_incident_until_somebody_has_seen_it() -> None:
    house = House()
    house.step(StorageFull, waiting=5_000_000, held=0)
    (opened,) = house.made
    assert (opened.kind, opened.body["severity"]) == ("incident.opened", "medium")
    assert opened.body["title"] == "No room for new clips: the media disk is full"
    house.step(StorageAmple, days=3, free=1)
    (noted,) = house.made
    assert (noted.kind, noted.incident) == ("incident.noted", opened.incident)
    house.step(StorageFull, waiting=0, held=7)
    assert [(fact.kind, fact.incident) for fact in house.made] == [("incident.evidence", opened.incident)]
