"""Why a notification is held back: each stage and its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.config import Notify, Webhook
from relay.errors import ConfigError
from relay.notify.message import Message, News
from relay.notify.stages import AGAIN, COLLECT, GO, View, judge, route
from relay.notify.webhook import key, sign
from relay.restored import HEARSAY, Restored
from rules.document import Secret
from rules.incidents import Entry, fold

HOUR = 3_600_000_000
DESK = Webhook(channel="webhook", name="desk", url="https://desk.example/", secret=Secret(secret="desk"))
CONFIG = Notify(policies={"guards": [DESK]})


def entry(kind: str, lamport: int, *, origin: str = "gw-1", **body: object) -> Entry:
    return Entry(
        id=f"{kind}-{lamport}",
        kind=f"incident.{kind}",
        incident="i",
        lamport=lamport,
        origin=origin,
        wall=HOUR,
        by=origin,
        body=dict(body),
    )


def view(*entries: Entry, **values: object) -> View:
    opened = entry("opened", 1, title="Door", severity="high")
    plain = View(
        incident=fold([opened, *entries], now=HOUR),
        relay="box-1",
        transition="opened",
        channel="webhook",
        recipient="desk",
        digest=None,
        keeps=True,
        reachable=(),
        now=HOUR,
    )
    return replace(plain, **values)  # type: ignore[arg-type]


def test_nothing_in_the_way() -> None:
    assert judge(view()) is GO


def test_route_follows_the_policy() -> None:
    [draft] = route(config=CONFIG, policy="guards", site="hq", opened=HOUR, now=HOUR + 5)
    assert (draft.channel, draft.recipient, draft.digest, draft.next_at) == ("webhook", "desk", None, HOUR + 5)
    assert route(config=CONFIG, policy=None, site="hq", opened=HOUR, now=HOUR) == []
    [nobody] = route(config=CONFIG, policy="guard", site="hq", opened=HOUR, now=HOUR)
    assert nobody.state == "failed"
    assert "no policy guard" in nobody.reason


def test_old_news_waits_for_its_neighbours() -> None:
    now = HOUR + CONFIG.old_after
    [fresh] = route(config=CONFIG, policy="guards", site="hq", opened=HOUR, now=now)
    [old] = route(config=CONFIG, policy="guards", site="hq", opened=HOUR, now=now + 1)
    assert fresh.digest is None
    assert (old.digest, old.next_at) == ("hq", now + 1 + COLLECT)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (entry("acknowledged", 2, origin="Dana"), "acknowledged by Dana before it was sent"),
        (entry("resolved", 2, origin="Dana"), "resolved by Dana before it was sent"),
        (entry("merged", 2, into="other"), "merged into another incident before it was sent"),
    ],
)
def test_somebody_acted(act: Entry, reason: str) -> None:
    verdict = judge(view(act))
    assert (verdict.reason, verdict.until) == (reason, None)
    assert judge(view(act, digest="hq")) is GO


def told(lamport: int = 2, **body: object) -> Entry:
    said = {"channel": "webhook", "recipient": "desk", "state": "sent"} | body
    return entry("notified", lamport, origin="cloud-1", **said)


def test_another_relay_told_them() -> None:
    assert judge(view(told())).reason == "desk was told by cloud-1"
    assert judge(view(told(state="failed"))) is GO
    assert judge(view(told(recipient="boss"))) is GO
    assert judge(view(told(), relay="cloud-1")) is GO
    again = (told(), entry("resolved", 3), entry("reopened", 4))
    assert judge(view(*again, transition="reopened")) is GO


def test_the_box_stands_back_and_looks_again() -> None:
    held = judge(view(keeps=False, reachable=("cloud",)))
    assert (held.reason, held.until) == ("left to cloud, which the gateway reaches", HOUR + AGAIN)
    assert judge(view(keeps=False)) is GO
    assert judge(view(keeps=True, reachable=("cloud",))) is GO


def test_the_signature_is_the_standards_own_example() -> None:
    """Secret, id, timestamp and body as published with the Standard Webhooks specification's libraries."""
    signature = sign(
        key(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", name="desk"),
        identity="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_only_looks_like_base64_is_said() -> None:
    assert key(b"plain words", name="desk") == b"plain words"
    with pytest.raises(ConfigError, match="webhook desk"):
        key(b"whsec_not base64!", name="desk")


def test_a_message_without_an_address_has_no_links() -> None:
    news = News(
        delivery="d",
        incident="i",
        transition="opened",
        title="Door",
        severity="high",
        state="open",
        site="hq",
        gateway="gw-1",
        opened=HOUR,
        still="s",
        attempt=1,
        possibly_repeated=False,
    )
    document = Message(id="d", relay="Night desk", public_url=None, news=(news,)).document()
    assert document["timestamp"] == "1970-01-01T01:00:00.000+00:00"
    assert "url" not in document["data"]
    linked = Message(id="d", relay="Night desk", public_url="https://r.example", news=(news,)).document()
    assert linked["data"]["still"] == "https://r.example/stills/s.jpg"


def test_what_happened_before_a_restore_waits_for_word_and_says_that_it_may_be_a_repeat() -> None:
    restored = Restored(since=HOUR, until=3 * HOUR)
    for happened in (HOUR // 2, 2 * HOUR):
        [draft] = route(config=CONFIG, policy="guards", site="hq", opened=happened, now=3 * HOUR + 5, restored=restored)
        assert (draft.digest, draft.next_at, draft.possibly_repeated) == ("hq", 3 * HOUR + 5 + HEARSAY, True)
    [draft] = route(config=CONFIG, policy="guards", site="hq", opened=3 * HOUR + 1, now=3 * HOUR + 5, restored=restored)
    assert (draft.digest, draft.next_at, draft.possibly_repeated) == (None, 3 * HOUR + 5, False)


def test_what_this_relay_told_before_it_was_restored_is_not_told_again() -> None:
    told = entry("notified", 2, origin="box-1", state="sent", channel="webhook", recipient="desk")
    verdict = judge(view(told, told_as=told.id, digest="hq"))
    assert (verdict.reason, verdict.until) == ("desk was told before this relay was restored", None)
    failed = entry("notified", 2, origin="box-1", state="failed", channel="webhook", recipient="desk")
    assert judge(view(failed, told_as=failed.id)) is GO, "it did not go out"
    assert judge(view(told, told_as="of another delivery")) is GO
