"""Sirens and their rest, silence, and the memory of alarms."""

from __future__ import annotations

from tests.unit.panel_kit import DISARMED, LOUD, NOTHING, OFF, House, armed, arms, disarms, document
from tests.unit.playbook import SECOND, asked, boots, closed, opened, passes

# --- sirens ---


def test_the_cut_off_to_the_microsecond() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"))
    play >> passes(180 * SECOND - 1) << NOTHING
    play >> passes(1) << ["horn off", "alarm.silenced house by cut-off"]


def test_the_cut_off_begins_anew_after_an_unknown_time_off() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"))
    play >> boots(off=None, after="2m") << [LOUD]
    play >> passes("3m") << ["horn off", "alarm.silenced house by cut-off"]


def test_a_second_alarm_sounds_its_whole_time() -> None:
    play = armed(partition="abort_window: 0s, siren_for: 1m")
    play.walk(opened("window"))
    play >> opened("lounge", after="50s")
    assert play.said()[0] == "horn on 60s"
    play >> passes("59s") << NOTHING >> passes("1s") << ["horn off", "alarm.silenced house by cut-off"]


def test_silence_is_not_disarming() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"))
    play >> asked("silence", partition="house") << OFF
    assert play.panel.state("house") == "armed"
    play >> asked("silence", partition="house") << ["refused: no siren of House sounds"]
    play >> opened("lounge") << [LOUD, "zone.alarmed lounge-motion interior", "evidence Burglary: lounge-motion"]


def test_fire_sounds_until_somebody_silences_it() -> None:
    play = House()
    play >> opened("smoke")
    assert play.said()[0] == "horn on"
    play >> passes("9h") << NOTHING
    play >> asked("silence", partition="house") << OFF


def test_disarming_does_not_silence_a_fire_but_a_second_code_does() -> None:
    play = armed()
    play.walk(opened("smoke"))
    play >> disarms() << [DISARMED]
    play >> disarms() << OFF


def test_a_burglary_does_not_shorten_a_fire() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("smoke"), opened("window"))
    play >> passes("1h") << NOTHING
    play = armed(partition="abort_window: 0s").walk(opened("window"), opened("smoke"))
    play >> passes("1h") << NOTHING


TWO = document(
    more="""
  - {id: shop-door, device: front, type: perimeter, partition: shop}
"""
).replace(
    "zones:\n",
    "  - {id: shop, name: Shop, sirens: [horn, bell], exit_delay: 0s, abort_window: 0s, siren_for: 1m}\nzones:\n",
)


def test_a_siren_that_another_partition_needs_sounds_on() -> None:
    play = House(text=TWO)
    play.walk(opened("vault"), arms("away", partition="shop"))
    play >> opened("front")
    assert play.said()[:2] == ["horn on 178s", "bell on 60s"]
    play >> asked("silence", partition="house") << ["horn on 59s", "alarm.silenced house by Ada"]
    play >> asked("silence", partition="shop") << ["horn off", "bell off", "alarm.silenced shop by Ada"]


# --- the memory of alarms ---


def test_the_memory_is_wiped_by_a_person_or_by_arming() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"), closed("window"), disarms())
    play >> asked("clear", partition="house") << ["alarm.cleared house by Ada"]
    play >> asked("clear", partition="house") << ["refused: House has no alarm to clear"]
    play.walk(opened("vault"), closed("vault"), disarms())
    play >> arms() << ["alarm.cleared house by Ada", "partition.exiting house away for 1m by Ada"]


def test_a_fire_is_latched_until_it_is_out_and_reset() -> None:
    play = House()
    play.walk(opened("smoke"), asked("silence", partition="house"))
    play >> asked("clear", partition="house") << ["refused: smoke-detector still in alarm"]
    play >> closed("smoke") << ["zone.restored smoke-detector", "evidence smoke-detector is normal again"]
    assert play.panel.ready("house", "away", gt=play.gt) == ["smoke-detector is not reset after its alarm"]
    play >> asked("clear", partition="house") << ["alarm.cleared house by Ada"]
    assert play.panel.ready("house", "away", gt=play.gt) == []


def test_it_burns_again_before_the_reset() -> None:
    play = House()
    play.walk(opened("smoke"), closed("smoke"), asked("silence", partition="house"))
    play >> opened("smoke") << ["horn on", "zone.alarmed smoke-detector fire", "evidence Fire: smoke-detector"]
