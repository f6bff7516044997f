"""What a scalar of our YAML is, where things stand, and how durations are written."""

from __future__ import annotations

import pytest

from rules.document import duration
from rules.document.places import Places


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("22:30", "22:30"), ("1:2:3", "1:2:3"),
        ("007", "007"), ("0o17", "0o17"), ("1_000", "1_000"), ("2026-11-23", "2026-11-23"), (".inf", ".inf"),
        (".nan", ".nan"), ("<<", "<<"), ("=", "="), ("true", True), ("False", False), ("null", None), ("~", None),
        ("0", 0), ("-12", -12), ("+5", 5), ("0x1F", 31), ("9223372036854775807", 2**63 - 1), ("1.5", 1.5),
        ("1e3", 1000.0), ("-.5", -0.5), ("'7'", "7"), ('"true"', "true"), ("!!str 7", "7"), ("!!int '7'", 7),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)  # fmt: skip
def test_what_a_scalar_is(text: str, value: object) -> None:
    read = Places(text=f"a: {text}", file="f").data["a"]
    assert (read, type(read)) == (value, type(value))


def test_on_and_off_need_no_quotes_as_keys() -> None:
    assert Places(text="{on: ON, off: OFF}", file="f").data == {"on": "ON", "off": "OFF"}


def test_places_of_keys_and_values() -> None:
    places = Places(text="a:\n  - b: 1\n    c:  [x, y]\n", file="f")
    assert places.of_key(("a", 0, "c")) == (3, 5)
    assert places.of_value(("a", 0, "c", 1)) == (3, 13)
    assert places.of_value(("a", 0, "nowhere", "deep")) == (2, 5)
    assert places.of_key(()) == (1, 1)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0s", 0), ("10s", 10_000_000), ("500ms", 500_000), ("1m30s", 90_000_000), ("2h", 7_200_000_000),
        ("10m", 600_000_000), ("1h1m1s1ms", 3_661_001_000), ("90m", 5_400_000_000), ("8784h", 366 * 86_400_000_000),
    ],
)  # fmt: skip
def test_durations(text: str, microseconds: int) -> None:
    assert duration(text) == microseconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "s",
        "10 s",
        "1.5s",
        "-1s",
        "10S",
        "1s1m",
        "1w",
        "١s",
        "10s ",
        None,
        10,
        1.5,
        True,
        [],
        "9" * 5000 + "h",
    ],
)
def test_no_durations(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write for example 10s, 1m30s, 2h or 30d"):
        duration(value)
