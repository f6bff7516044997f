"""The first account, signing in and out, sessions, and what protects them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from relay.access import sessions, setup
from relay.store.schema import person as person_table
from relay.store.schema import session as session_table
from relay.store.schema import setup_code, sign_in_attempt
from tests.integration.web_rig import PASSPHRASE, SECOND, Rig, as_role, press, rigged, sign_in, visitor

FORM = {"display": "Marta Okafor", "name": "marta", "passphrase": PASSPHRASE}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


async def test_the_first_account_is_made_with_the_printed_code(rig: Rig) -> None:
    code = await setup.announce(rig.context.db, rig.clock)
    assert code is not None
    async with visitor(rig) as client:
        assert (await client.get("/")).headers["location"] == "/setup"
        assert (await client.get("/sign-in")).headers["location"] == "/setup"
        answer = await client.post("/setup", data=FORM | {"code": code.lower().replace("-", " ")})
        assert answer.status_code == 303 and answer.headers["location"] == "/?said=welcome"
        page = await client.get("/?said=welcome")
        assert page.status_code == 200 and "Marta Okafor" in page.text
    async with rig.context.db.read() as connection:
        row = (await connection.execute(select(person_table))).one()
        kept = (await connection.execute(select(setup_code))).one()
    assert row.role == "admin" and row.password_hash.startswith("$argon2id$")
    assert kept.used is not None and code not in kept.hash


async def test_the_code_works_once_and_setup_closes(rig: Rig) -> None:
    code = await setup.announce(rig.context.db, rig.clock)
    assert code is not None
    async with visitor(rig) as client:
        await client.post("/setup", data=FORM | {"code": code})
    async with visitor(rig) as other:
        answer = await other.post("/setup", data=FORM | {"code": code, "name": "mallory"})
        assert answer.headers["location"] == "/sign-in?said=exists"
        assert (await other.get("/setup")).status_code == 303
    assert await setup.announce(rig.context.db, rig.clock) is None


async def test_a_new_start_prints_a_new_code_and_ends_the_old(rig: Rig) -> None:
    old = await setup.announce(rig.context.db, rig.clock)
    new = await setup.announce(rig.context.db, rig.clock)
    assert old and new and old != new
    async with visitor(rig) as client:
        answer = await client.post("/setup", data=FORM | {"code": old})
        assert answer.status_code == 403 and "not the code" in answer.text
        assert 'value="Marta Okafor"' in answer.text and PASSPHRASE not in answer.text
        assert (await client.post("/setup", data=FORM | {"code": new})).status_code == 303


async def test_wrong_codes_are_counted_and_slowed_across_addresses(rig: Rig) -> None:
    code = await setup.announce(rig.context.db, rig.clock)
    for n in range(5):
        async with visitor(rig, address=f"192.0.2.{n}") as client:
            assert (await client.post("/setup", data=FORM | {"code": "0000"})).status_code == 403
    async with visitor(rig, address="192.0.2.99") as client:
        answer = await client.post("/setup", data=FORM | {"code": code or ""})
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) <= 60
        rig.clock.ahead += 61 * SECOND
        assert (await client.post("/setup", data=FORM | {"code": code or ""})).status_code == 303


async def test_setup_refuses_a_short_passphrase_without_using_the_code(rig: Rig) -> None:
    code = await setup.announce(rig.context.db, rig.clock)
    async with visitor(rig) as client:
        answer = await client.post("/setup", data=FORM | {"code": code or "", "passphrase": "too short"})
        assert answer.status_code == 400 and "at least 12 characters" in answer.text
        assert (await client.post("/setup", data=FORM | {"code": code or ""})).status_code == 303


async def test_signing_in_and_out(rig: Rig) -> None:
    await rig.person("jonas", "guard", "Jonas Lindqvist")
    async with visitor(rig) as client:
        answer = await client.get("/incidents/abc?x=1")
        assert answer.headers["location"] == "/sign-in?next=/incidents/abc%3Fx%3D1"
        wrong = await sign_in(client, "jonas", "not the passphrase")
        unknown = await sign_in(client, "nobody-here", "not the passphrase")
        assert wrong.status_code == unknown.status_code == 403
        assert wrong.text.replace("jonas", "") == unknown.text.replace("nobody-here", "")
        right = await client.post("/sign-in", data={"name": " JONAS ", "passphrase": PASSPHRASE, "next": "/gateways"})
        assert right.status_code == 303 and right.headers["location"] == "/gateways"
        cookie = right.headers["set-cookie"]
        assert re.match(r"nightporter-cloud=[\w-]{43};", cookie)
        assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower() and "Path=/" in cookie
        token = client.cookies["nightporter-cloud"]
        assert (await client.get("/")).status_code == 200
        assert (await press(client, "/sign-out")).headers["location"] == "/sign-in?said=signed-out"
        client.cookies.set("nightporter-cloud", token, domain="relay.test")
        assert (await client.get("/")).status_code == 303, "a token must not outlive its session"


async def test_over_https_the_cookie_is_bound_to_the_host(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig, base="https://relay.test") as client:
        answer = await sign_in(client, "jonas")
        assert answer.headers["set-cookie"].startswith("__Host-nightporter-cloud=")
        assert "Secure" in answer.headers["set-cookie"] and "Domain" not in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["strict-transport-security"]
        assert (await client.get("/")).status_code == 200


async def test_only_hashes_of_tokens_are_kept(rig: Rig) -> None:
    async with as_role(rig, "viewer") as client:
        token = client.cookies["nightporter-cloud"]
    async with rig.context.db.read() as connection:
        rows = (await connection.execute(select(session_table))).all()
    assert [row.token_hash for row in rows] == [sessions._hash(token)]


async def test_a_new_sign_in_is_a_new_session(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as client:
        planted = "planted-by-somebody-else-0000000000000000000"
        client.cookies.set("nightporter-cloud", planted, domain="relay.test", path="/")
        await sign_in(client, "jonas")
        first = client.cookies["nightporter-cloud"]
        assert first != planted
        page = await client.get("/account")
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert token is not None
        form = {"name": "jonas", "passphrase": PASSPHRASE, "form_token": token[1]}
        await client.post("/sign-in", data=form)
        assert client.cookies["nightporter-cloud"] != first
        client.cookies.set("nightporter-cloud", first, domain="relay.test", path="/")
        assert (await client.get("/")).status_code == 303


async def test_sessions_end_when_unused_and_after_twelve_hours(rig: Rig) -> None:
    async with as_role(rig, "viewer") as client:
        rig.clock.ahead += 29 * 60 * SECOND
        assert (await client.get("/")).status_code == 200
        rig.clock.ahead += 29 * 60 * SECOND
        assert (await client.get("/")).status_code == 200, "use keeps a session alive"
        rig.clock.ahead += 31 * 60 * SECOND
        assert (await client.get("/")).status_code == 303
    async with as_role(rig, "viewer") as client:
        for _ in range(25):
            rig.clock.ahead += 29 * 60 * SECOND
            await client.get("/")
        assert (await client.get("/")).status_code == 303, "12 hours at most"


async def test_tries_are_limited_per_account_and_survive_a_restart(rig: Rig, tmp_path: Path) -> None:
    await rig.person("jonas", "guard")
    for n in range(10):
        async with visitor(rig, address=f"192.0.2.{n}") as client:
            assert (await sign_in(client, "jonas", "wrong wrong wrong")).status_code == 403
    await rig.context.db.close()
    await rig.context.db.open()
    async with visitor(rig, address="192.0.2.200") as client:
        blocked = await sign_in(client, "jonas")
        assert blocked.status_code == 429 and "Wait" in blocked.text
        rig.clock.ahead += 61 * SECOND
        assert (await sign_in(client, "jonas")).status_code == 303


async def test_tries_are_limited_per_address(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as client:
        answers = [(await sign_in(client, f"name-{n}", "wrong wrong wrong")).status_code for n in range(31)]
    assert answers == [403] * 30 + [429]
    async with visitor(rig, address="198.51.100.1") as other:
        assert (await sign_in(other, "jonas")).status_code == 303
    async with rig.context.db.read() as connection:
        kept = str((await connection.execute(select(sign_in_attempt))).all())
    assert "name-3" not in kept, "what was typed is not kept"


async def test_a_forged_forwarded_address_changes_nothing(rig: Rig) -> None:
    async with visitor(rig) as client:
        for n in range(30):
            await client.post(
                "/sign-in", data={"name": f"n{n}", "passphrase": "x"}, headers={"X-Forwarded-For": f"203.0.113.{n}"}
            )
        assert (await sign_in(client, "anybody")).status_code == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://relay.test.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_forms_from_elsewhere_change_nothing(rig: Rig, headers: dict[str, str]) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as client:
        answer = await client.post("/sign-in", data={"name": "jonas", "passphrase": PASSPHRASE}, headers=headers)
        assert answer.status_code == 403 and "another site" in answer.text and not client.cookies


async def test_a_form_without_its_token_changes_nothing(rig: Rig) -> None:
    async with as_role(rig, "admin") as client:
        for token in ("", "0" * 64):
            answer = await client.post("/people", data={"form_token": token, "name": "eve"})
            assert answer.status_code == 403 and "too old" in answer.text
    async with rig.context.db.read() as connection:
        assert len((await connection.execute(select(person_table))).all()) == 1


async def test_a_form_may_not_be_endless(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as client:
        answer = await client.post("/sign-in", data={"name": "x" * 70_000, "passphrase": "y"})
        assert answer.status_code == 409 and "too long" in answer.text
        many = "&".join(f"f{n}=1" for n in range(2000))
        assert (await client.post("/sign-in", content=many)).status_code == 409
        assert (await client.post("/sign-in", content=b"name=\xff\xfe")).status_code == 409


async def test_changing_the_passphrase_ends_the_other_sessions(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as here, visitor(rig) as there:
        await sign_in(here, "jonas")
        await sign_in(there, "jonas")
        wrong = await press(here, "/account/passphrase", current="not that one", passphrase="five even quieter words")
        assert wrong.status_code == 400 and "present passphrase is not right" in wrong.text
        assert (await there.get("/")).status_code == 200
        done = await press(here, "/account/passphrase", current=PASSPHRASE, passphrase="five even quieter words")
        assert done.status_code == 303
        assert (await here.get("/")).status_code == 200
        assert (await there.get("/")).status_code == 303
        assert (await sign_in(there, "jonas")).status_code == 403
        assert (await sign_in(there, "jonas", "five even quieter words")).status_code == 303


async def test_signing_out_everywhere(rig: Rig) -> None:
    await rig.person("jonas", "guard")
    async with visitor(rig) as here, visitor(rig) as there:
        await sign_in(here, "jonas")
        await sign_in(there, "jonas")
        assert (await press(here, "/account/sign-out-everywhere")).status_code == 303
        assert (await here.get("/")).status_code == (await there.get("/")).status_code == 303


async def test_a_closed_account_is_out_at_once(rig: Rig) -> None:
    jonas = await rig.person("jonas", "guard")
    async with as_role(rig, "admin") as admin, visitor(rig) as client:
        await sign_in(client, "jonas")
        assert (await press(admin, f"/people/{jonas.id}/close")).status_code == 303
        assert (await client.get("/")).status_code == 303
        assert (await sign_in(client, "jonas")).status_code == 403
        await press(admin, f"/people/{jonas.id}/open")
        assert (await sign_in(client, "jonas")).status_code == 303
