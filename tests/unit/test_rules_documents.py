"""Documents: every mistake has its place, says what is allowed, and names the nearest known word."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from rules.document import Duration, Secret, Strict, load
from rules.document.places import MAX_CHARACTERS
from rules.document.site import Site, load_site
from rules.errors import DocumentError, Problem
from tests.unit.bad_documents import BAD, GOOD


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load_site(text, "site.yaml")
    return [str(problem).removeprefix("site.yaml:") for problem in caught.value.problems]


def test_the_good_document_is_good() -> None:
    site = load_site(GOOD, "site.yaml")
    assert [device.title for device in site.devices] == ["door", "eye", "siren", "warm", "cam"]
    assert site.rules[0].then[2].command is not None
    assert site.rules[0].then[2].command.duration == 90_000_000


@pytest.mark.parametrize("mistake", BAD)
def test_one_mistake(mistake: str) -> None:
    before, after, expected = BAD[mistake]
    assert before in GOOD
    assert complaints(GOOD.replace(before, after, 1)) == expected


def test_all_mistakes_at_once_in_the_order_of_lines() -> None:
    text = GOOD.replace("severity: high", "severity: hihg").replace("timezone:", "timzone:").replace(": 30s", ": 30")
    assert [line.partition(": ")[0] for line in complaints(text)] == ["1:32", "18:69", "21:35"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: site is missing"]),
        ("# only a remark\n", ["1:1: site is missing"]),
        ("hello", ["1:1: 'hello' stands where a mapping (key: value) is expected"]),
        ("- a", ["1:1: a list stands where a mapping (key: value) is expected"]),
        (
            "a: " + "x" * MAX_CHARACTERS,
            [f"1:1: a document has at most {MAX_CHARACTERS} characters, this one has 1000003"],
        ),
        ("[" * 100_000, ["1:41: nested deeper than 40"]),
        ("- " * 100_000, ["1:81: nested deeper than 40"]),
        ("? " * 100_000, ["1:81: nested deeper than 40"]),
        ("{a: " * 50_000, ["1:158: nested deeper than 40"]),
        ('a: "\\U99999999"', ["1:1: this is not YAML"]),
        ("%YAML 1." + "9" * 9000 + "\n--- a", ["1:1: this is not YAML"]),
    ],
    ids=["nothing", "remark", "text", "list", "long", "flow", "block", "keys", "maps", "escape", "version"],
)
def test_no_document_at_all(text: str, expected: list[str]) -> None:
    assert complaints(text) == expected


def test_a_billion_laughs_are_cut_at_the_first() -> None:
    lines = ["a: &a [ha, ha]", *(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True))]
    assert complaints("\n".join(lines)) == ["2:8: *a refers to another place; write it out instead"]
    assert complaints("a: &a [*a]") == ["1:8: *a refers to another place; write it out instead"]


# --- what may be in a document that is no affair of the reader's ------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["hunter2-canary", "[hunter2-canary]", "{name: hunter2-canary}", "{secret: x, is: hunter2-canary}"]
)
def test_a_secret_written_out_is_not_repeated(value: str) -> None:
    said = complaints(GOOD.replace("{secret: cam-lobby}", value))
    assert said
    assert "hunter2" not in "".join(said)


def test_a_password_in_an_address_is_not_repeated() -> None:
    said = complaints(GOOD.replace("rtsp://", "rtsp://porter:hunter2-canary@"))
    assert "hunter2" not in "".join(said)

    class Relay(Strict):
        url: Annotated[str, Field(pattern="^https://[^@]+$")]

    with pytest.raises(
        DocumentError, match=r"relay\.yaml:1:6: url: 'https://\.\.\.@relay': string should match"
    ) as caught:
        load("url: https://ada:hunter2-canary@relay", "relay.yaml", Relay)
    assert "hunter2" not in str(caught.value)


def test_problems_are_plain_values() -> None:
    problem = Problem("f", 1, 2, "a.b", "is odd")
    assert str(problem) == "f:1:2: a.b: is odd"
    assert str(Problem("f", 1, 2, "", "is odd")) == "f:1:2: is odd"


def test_documents_of_others_are_explained_alike() -> None:
    class Listener(Strict):
        port: Annotated[int, Field(ge=1, le=65535)]
        wait: Duration = 0
        key: Secret | None = None

    class Relay(Strict):
        people: Listener
        names: dict[str, Listener] = {}

    text = "people: {port: 70000, wat: 1s}\nnames:\n  a: {prt: 1, key: open}\n"
    with pytest.raises(DocumentError) as caught:
        load(text, "relay.yaml", Relay)
    assert str(caught.value).splitlines() == [
        "relay.yaml:1:16: people.port: 70000 is out of range: it must be at most 65535",
        "relay.yaml:1:23: people.wat: is not a known key here (known: port, wait, key); did you mean wait?",
        "relay.yaml:3:3: names.a: port is missing",
        "relay.yaml:3:7: names.a.prt: is not a known key here (known: port, wait, key); did you mean port?",
        "relay.yaml:3:20: names.a.key: a secret is only named here, {secret: NAME}; its value is set on the"
        " machine itself",
    ]
    assert Site.model_config["extra"] == "forbid"
