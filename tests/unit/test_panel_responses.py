"""Every zone type in every arm state: what an active input means. The table is written out here once more, in words."""

from __future__ import annotations

import pytest

from rules.document.panel import ZONE_TYPES
from rules.panel.arming import ARMING
from rules.panel.zones import RESPONSES
from tests.unit.panel_kit import LOUD, NOTHING, ZONES, House, arms
from tests.unit.playbook import closed, opened, passes


def into(play: House, state: str) -> House:
    """Bring the house into this arm state; the next event comes a second later."""
    if state == "disarmed":
        return play
    play >> arms() << ["partition.exiting house away for 1m by Ada"]
    if state == "exiting":
        return play
    play >> passes("1m") << ["partition.armed house away by Ada"]
    if state == "entering":
        play >> opened("front") << ["partition.entering house front-door for 30s"]
    return play


def burglary(zone: str, kind: str) -> list[str]:
    return [LOUD, f"zone.alarmed {zone} {kind}"]


def critical(zone: str, kind: str, title: str, siren: str = LOUD) -> list[str]:
    return [siren, f"zone.alarmed {zone} {kind}", f"opened {title}"]


def tells(zone: str, kind: str, title: str) -> list[str]:
    return [f"zone.alarmed {zone} {kind}", f"opened {title}"]


ENTER = ["partition.entering house front-door for 30s"]
TAMPER_ARMED = critical("panel-lid", "tamper", "Tamper: panel-lid (high)")
HOLD_UP = ["zone.alarmed panic hold_up silent", "opened Hold-up: panic (critical)"]
FIRE = critical("smoke-detector", "fire", "Fire: smoke-detector (critical)", "horn on")
CO = critical("co-detector", "co", "Carbon monoxide: co-detector (critical)", "horn on")
WATER = tells("cellar-water", "water", "Water: cellar-water (medium)")
TECHNICAL = tells("boiler-fault", "technical", "Technical alarm: boiler-fault (medium)")
SAFE = burglary("safe", "24h")
WINDOW = burglary("kitchen-window", "perimeter")
LOUNGE = burglary("lounge-motion", "interior")
OFF = ["partition.disarmed house by key"]

# {type: (disarmed, exiting, armed, entering)}
EXPECTED: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "entry_exit": (NOTHING, NOTHING, ENTER, NOTHING),
    "follower": (NOTHING, NOTHING, burglary("hallway", "follower"), NOTHING),
    "perimeter": (NOTHING, WINDOW, WINDOW, WINDOW),
    "interior": (NOTHING, NOTHING, LOUNGE, LOUNGE),
    "24h": (SAFE, SAFE, SAFE, SAFE),
    "hold_up": (HOLD_UP, HOLD_UP, HOLD_UP, HOLD_UP),
    "fire": (FIRE, FIRE, FIRE, FIRE),
    "co": (CO, CO, CO, CO),
    "water": (WATER, WATER, WATER, WATER),
    "tamper": (tells("panel-lid", "tamper", "Tamper: panel-lid (medium)"), TAMPER_ARMED, TAMPER_ARMED, TAMPER_ARMED),
    "technical": (TECHNICAL, TECHNICAL, TECHNICAL, TECHNICAL),
    "key_switch": (["partition.exiting house away for 1m by key"], OFF, OFF, OFF),
}
STATES = ("disarmed", "exiting", "armed", "entering")
DEVICES = {kind: device for device, kind, _ in reversed(ZONES.values())}
DEVICES["hold_up"] = "alarm-button"
DEVICES["perimeter"] = "window"


def test_the_table_is_whole() -> None:
    assert tuple(RESPONSES) == ZONE_TYPES == tuple(EXPECTED)
    assert tuple(ARMING) == STATES
    assert all(tuple(row) == STATES for row in RESPONSES.values())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ZONE_TYPES)
def test_every_pair(kind: str, state: str) -> None:
    play = into(House(), state)
    device = "back" if (kind, state) == ("entry_exit", "entering") else DEVICES[kind]
    expected = EXPECTED[kind][STATES.index(state)]
    if device == "back":
        expected = ["partition.entering house back-door for 10s"]  # its own delay is shorter
    play >> opened(device) << expected
    assert play.trace, "nothing happens without a word why"


@pytest.mark.parametrize("kind", ["entry_exit", "follower", "perimeter", "interior"])
def test_in_a_mode_in_which_it_does_not_count_it_is_as_if_disarmed(kind: str) -> None:
    play = House(zones={"front-door": "modes: [away]", "kitchen-window": "modes: [away, night]"})
    play >> arms("stay") << ["partition.exiting house stay for 1m by Ada"]
    play >> passes("1m") << ["partition.armed house stay by Ada"]
    play >> opened(DEVICES[kind]) << NOTHING
    assert any("does not count now" in line for line in play.trace)


@pytest.mark.parametrize(
    ("mode", "counting"),
    [
        ("away", {"front", "hall", "window", "lounge"}),
        ("stay", {"front", "window"}),
        ("night", {"front", "window"}),
        ("custom", {"front", "window"}),
    ],
)
def test_which_modes_a_type_counts_in_when_nobody_says(mode: str, counting: set[str]) -> None:
    for device in ("front", "hall", "window", "lounge"):
        play = House(partition="exit_delay: 0s")
        play >> arms(mode) << [f"partition.armed house {mode} by Ada"]
        play >> opened(device)
        assert bool(play.said()) is (device in counting), device


def test_a_zone_may_count_in_other_modes() -> None:
    play = House(partition="exit_delay: 0s", zones={"lounge-motion": "modes: [night]"})
    play >> arms("night") << ["partition.armed house night by Ada"]
    play >> opened("lounge") << LOUNGE


def test_silent_perimeter_makes_no_noise() -> None:
    play = into(House(zones={"kitchen-window": "silent: true"}), "armed")
    play >> opened("window") << ["zone.alarmed kitchen-window perimeter silent"]


def test_an_audible_hold_up_sounds() -> None:
    play = House(zones={"panic": "silent: false"})
    play >> opened("alarm-button") << critical("panic", "hold_up", "Hold-up: panic (critical)")


def test_severity_of_the_document_wins() -> None:
    play = House(zones={"cellar-water": "severity: high"})
    play >> opened("wet") << tells("cellar-water", "water", "Water: cellar-water (high)")


@pytest.mark.parametrize(
    ("device", "zone"), [("window", "kitchen-window"), ("smoke", "smoke-detector"), ("wet", "cellar-water")]
)
def test_the_same_again_is_no_news_and_normal_is_a_restore(device: str, zone: str) -> None:
    play = into(House(), "armed")
    play.walk(opened(device))
    play >> opened(device) << NOTHING
    play >> closed(device)
    assert play.said()[0] == f"zone.restored {zone}"
