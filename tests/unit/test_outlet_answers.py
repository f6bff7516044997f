"""What a relay's HTTP answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.errors import OutletError, OutletRefusal
from agent.outlets.answers import DigestDiffers, Disagreement, Later, Reply, TooLarge, Unknown, demand, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def problem(status: int, detail: Any = "a sentence", **facts: Any) -> Reply:
    body = json.dumps({"type": "x", "detail": detail} | facts).encode()
    return Reply(status, {"content-type": "application/problem+json"}, body)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_yes_is_yes(status: int) -> None:
    reply = Reply(status, {}, b"")
    assert demand(reply, relay="r") is reply


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (301, OutletError),
        (400, OutletRefusal),
        (401, OutletRefusal),
        (403, OutletRefusal),
        (404, Unknown),
        (408, Later),
        (409, Disagreement),
        (410, Unknown),
        (413, TooLarge),
        (422, OutletRefusal),
        (429, Later),
        (460, DigestDiffers),
        (500, Later),
        (502, Later),
        (503, Later),
        (507, Later),
    ],
)
def test_each_no_has_its_meaning(status: int, meaning: type[OutletError]) -> None:
    with pytest.raises(OutletError) as caught:
        demand(problem(status), relay="relay cloud")
    assert type(caught.value) is meaning
    assert "relay cloud" in str(caught.value)
    assert caught.value.permanent is (meaning is OutletRefusal)


@pytest.mark.parametrize("status", [401, 403, 407, 451])
def test_a_no_that_is_not_a_relays_is_worth_another_try(status: int) -> None:
    reply = Reply(status, {"content-type": "text/html"}, b"<html>Sign in</html>")
    with pytest.raises(OutletError, match="nothing a relay would say") as caught:
        demand(reply, relay="r")
    assert not caught.value.permanent


def test_the_relays_sentence_is_shown_fit_to_print() -> None:
    with pytest.raises(OutletRefusal, match=r"^r refuses: locked by its operator$"):
        demand(problem(403, "locked\r\n\x1b[31m by\tits operator".replace("\x1b[31m", "\x07")), relay="r")
    with pytest.raises(OutletRefusal) as caught:
        demand(problem(403, "x" * 5000), relay="r")
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"[" * 100_000, b'{"detail":7}', b'{"detail":""}', b"\xff"])
def test_a_body_that_says_nothing_is_survived(body: bytes) -> None:
    with pytest.raises(OutletError):
        demand(Reply(403, {"content-type": "application/problem+json"}, body), relay="r")


def test_the_expected_offset_of_an_upload() -> None:
    def expected(reply: Reply) -> int | None:
        with pytest.raises(Disagreement) as caught:
            demand(reply, relay="r")
        return caught.value.expected

    assert expected(problem(409, **{"expected-offset": 70})) == 70
    assert expected(Reply(409, {"upload-offset": "7"}, b"")) == 7
    assert expected(problem(409, **{"expected-offset": -1})) is None
    assert expected(problem(409, **{"expected-offset": True})) is None
    assert expected(problem(409)) is None


def test_retry_after_is_a_number_or_a_date() -> None:
    later = NOW + timedelta(seconds=90)
    assert retry_after("7") == 7
    assert retry_after(later.strftime("%a, %d %b %Y %H:%M:%S GMT"), now=NOW) == 90
    assert retry_after((NOW - timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"), now=NOW) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None
    reply = Reply(503, {"retry-after": "12"}, b"")
    with pytest.raises(Later) as caught:
        demand(reply, relay="r")
    assert caught.value.retry_after == 12
