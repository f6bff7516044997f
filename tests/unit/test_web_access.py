"""Who may do what, and what may be typed."""

from __future__ import annotations

import re

import pytest

from relay.access import passwords, people, permissions, sessions, setup
from relay.access.errors import Forbidden, Invalid, NotSignedIn
from relay.access.passwords import Passwords
from relay.access.people import Person
from relay.web.pages.sign_in import inside


def person(role: str, *, id: str = "p1", disabled: int | None = None) -> Person:
    return Person(id=id, name="x", display="X", role=role, created=0, disabled=disabled)


def test_every_action_is_somebodys() -> None:
    granted = frozenset().union(*permissions.GRANTS.values()) | {"anybody"}
    assert granted == set(permissions.ACTIONS)
    assert set(permissions.GRANTS) == set(people.ROLES)


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [
        ("viewer", "incident.view", True),
        ("viewer", "incident.act", False),
        ("viewer", "output.silence", False),
        ("viewer", "people.view", False),
        ("guard", "incident.act", True),
        ("guard", "output.silence", True),
        ("guard", "people.manage", False),
        ("admin", "people.manage", True),
        ("unheard-of", "feed.view", False),
    ],
)
def test_roles(role: str, action: permissions.Action, allowed: bool) -> None:
    assert permissions.may(person(role), action, object()) is allowed


def test_nobody_and_the_disabled_may_nothing() -> None:
    for action in permissions.ACTIONS:
        assert permissions.may(None, action, object()) is (action == "anybody")  # type: ignore[arg-type]
        assert permissions.may(person("admin", disabled=1), action, object()) is (action == "anybody")  # type: ignore[arg-type]


def test_an_account_is_ones_own() -> None:
    assert permissions.may(person("viewer"), "account.manage", person("viewer"))
    assert not permissions.may(person("admin"), "account.manage", person("viewer", id="p2"))
    assert not permissions.may(person("admin"), "account.manage", "account")


def test_refusals_differ() -> None:
    with pytest.raises(NotSignedIn):
        permissions.authorise(None, "incident.act", object())
    with pytest.raises(Forbidden, match=r"viewer.*may not act on incidents"):
        permissions.authorise(person("viewer"), "incident.act", object())


def test_the_code_is_100_bits_and_forgives_typing() -> None:
    code = setup.new_code()
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert len(setup.ALPHABET) == 32 and setup.GROUPS * setup.GROUP * 5 >= 100
    assert setup._hash("0123-ABCD") == setup._hash(" oi23 abcd ") == setup._hash("O123ABCD")
    assert len({setup.new_code() for _ in range(200)}) == 200


@pytest.mark.parametrize("text", ["short", "elevenchars", "x" * 1001])
def test_passphrases_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="characters"):
        passwords.check(text)


def test_a_passphrase_has_no_rules_but_length() -> None:
    assert passwords.check("aaaaaaaaaaaa") == "aaaaaaaaaaaa"
    assert passwords.check("ﬁve short words") == "five short words"  # one form however it was typed


async def test_passwords_match_only_themselves() -> None:
    cheap = Passwords(rounds=1, memory=64)
    stored = await cheap.hash("four quiet words here")
    assert stored.startswith("$argon2id$")
    assert await cheap.verify(stored, "four quiet words here")
    assert not await cheap.verify(stored, "four quiet words hers")
    assert not await cheap.verify(None, "four quiet words here")
    assert not await cheap.verify("nonsense", "four quiet words here")


async def test_an_unknown_name_costs_a_real_computation() -> None:
    cheap = Passwords(rounds=1, memory=64)
    computed: list[str] = []
    verify = cheap._matches

    def counted(stored: str, plain: str) -> bool:
        computed.append(stored)
        return verify(stored, plain)

    cheap._matches = counted  # type: ignore[method-assign]
    assert not await cheap.verify(None, "x")
    stored = await cheap.hash("four quiet words here")
    parameters = re.compile(r"\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")
    assert parameters.fullmatch(stored) and parameters.fullmatch(computed[0])


@pytest.mark.parametrize("text", ["", "a", "two words", "x" * 61, "a\nb", "<b>"])
def test_names_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        people.check_name(text)


def test_names_have_no_case() -> None:
    assert people.check_name("  Marta.O ") == "marta.o"
    assert people.check_display("  Marta \t Okafor ") == "Marta Okafor"
    with pytest.raises(Invalid):
        people.check_display("a\x00b")
    with pytest.raises(Invalid):
        people.check_role("root")


@pytest.mark.parametrize(
    ("display", "letters"),
    [("Marta Okafor", "MO"), ("Night desk", "ND"), ("li", "L"), ("...", "?"), ("<img src=x>", "IX")],
)
def test_initials(display: str, letters: str) -> None:
    assert Person(id="1", name="n", display=display, role="guard", created=0, disabled=None).initials == letters


def test_the_form_token_is_not_the_session_token() -> None:
    assert sessions.form_token("a") != sessions.form_token("b")
    assert "a" * 20 not in sessions.form_token("a" * 20)


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "evil"],
)
def test_sign_in_never_leads_elsewhere(address: str) -> None:
    assert inside(address) == "/"


def test_sign_in_leads_back() -> None:
    assert inside("/incidents/1?x=2") == "/incidents/1?x=2"
