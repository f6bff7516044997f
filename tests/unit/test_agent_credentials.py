"""Codes and cards: digests that say nothing without the pepper, and digits that are kept nowhere."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import main
from agent.config.pepper import NotACredential, Pepper
from agent.config.secrets import PEPPER, Secrets
from agent.errors import ConfigError

CONFIG = "gateway: {tenant: demo, site: hq, id: lobby}\npaths: {data: d, media: m, secrets: s, run: r}\n"
KEY = "00" * 31 + "07"


def config(folder: Path) -> str:
    path = folder / "agent.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_a_digest_is_an_hmac_of_what_it_is_and_its_digits() -> None:
    pepper = Pepper.read(KEY)
    key = bytes.fromhex(KEY)
    assert pepper.code("0471") == hmac.new(key, b"code:0471", hashlib.sha256).hexdigest()
    assert pepper.card("04A2") == hmac.new(key, b"card:04A2", hashlib.sha256).hexdigest()
    assert pepper.code("0471") != pepper.card("0471")
    assert pepper.code("0471") != pepper.code("471")


def test_a_card_is_the_same_however_it_is_written() -> None:
    pepper = Pepper.read(KEY)
    assert len({pepper.card(text) for text in ("04:a2:11", "04-A2-11", "04 a2 11", " 04a211\n")}) == 1


@pytest.mark.parametrize("nothing", ["", "12a4", "1" * 33, "٤٧١١", "-471", "47 11", 4711, None, True, ["4711"]])
def test_what_is_no_code_is_not_repeated(nothing: object) -> None:
    with pytest.raises(NotACredential) as error:
        Pepper.read(KEY).code(nothing)
    assert str(error.value) == "a code is 1 to 32 digits, as text"
    assert error.value.__cause__ is None


@given(st.text(max_size=150))
def test_a_card_is_digested_or_refused(text: str) -> None:
    with suppress(NotACredential):
        assert len(Pepper.read(KEY).card(text)) == 64


def test_the_pepper_shows_nothing() -> None:
    assert repr(Pepper.read(KEY)) == "Pepper()"
    assert KEY not in repr(vars(Pepper.read(KEY)).keys())


def test_the_pepper_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = Secrets(directory=tmp_path / "s")
    assert not first.has_pepper
    digest = first.pepper().code("4711")
    path = tmp_path / "s" / PEPPER
    assert len(bytes.fromhex(path.read_text())) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in (tmp_path / "s").iterdir()] == [PEPPER]
    assert Secrets(directory=tmp_path / "s").pepper().code("4711") == digest
    other = Secrets(directory=tmp_path / "t").pepper().code("4711")
    assert other != digest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_sets_is_the_agents(tmp_path: Path) -> None:
    directory = tmp_path / "s"
    directory.mkdir(mode=0o700)
    os.chown(directory, 4242, 4243)
    secrets = Secrets(directory=directory)
    secrets.set("cam", "x")
    secrets.pepper()
    for path in directory.iterdir():
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (4242, 4243, 0o600)


def test_two_that_make_it_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = Secrets(directory=tmp_path), Secrets(directory=tmp_path)
    link = os.link

    def first_there(source: str, target: str) -> None:
        monkeypatch.setattr(os, "link", link)
        there.pepper()
        link(source, target)

    monkeypatch.setattr(os, "link", first_there)
    assert here.pepper().code("1") == there.pepper().code("1")
    assert [each.name for each in tmp_path.iterdir()] == [PEPPER]


@pytest.mark.parametrize("content", ["", "abc", "G" * 64, KEY.upper() + "A", KEY + "\n\n"])
def test_a_pepper_that_is_none_is_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / PEPPER
    path.write_text(content)
    path.chmod(0o600)
    secrets = Secrets(directory=tmp_path)
    with pytest.raises(ConfigError, match="secret pepper: it is not 64 hexadecimal digits"):
        secrets.pepper_to_run_with(digests=False)
    assert path.read_text() == content
    with pytest.raises(ConfigError, match="not 64 hexadecimal digits"):
        secrets.set(PEPPER, "pepper")
    assert path.read_text() == content


def test_a_pepper_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / PEPPER).write_text(KEY)
    (tmp_path / PEPPER).chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        Secrets(directory=tmp_path).pepper_to_run_with(digests=True)


def test_where_none_can_be_kept_one_will_do_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    secrets = Secrets(directory=tmp_path / "file" / "s")
    with pytest.raises(ConfigError, match="the pepper cannot be written"):
        secrets.pepper()
    with structlog.testing.capture_logs() as lines:
        made = secrets.pepper_to_run_with(digests=False)
    assert [line["event"] for line in lines] == ["pepper.not_kept"]
    assert secrets.pepper_to_run_with(digests=False) is made, "one for the whole run"


def test_a_pepper_that_is_gone_is_missed_at_every_start_and_not_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        with structlog.testing.capture_logs() as lines:
            Secrets(directory=tmp_path).pepper_to_run_with(digests=True)
        assert [line["event"] for line in lines] == ["pepper.missing"]
    assert list(tmp_path.iterdir()) == []


# --- nightporter agent code ---


def test_the_verb_prints_a_line_for_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, line in (([], "4711\n"), (["--card"], "04:a2:11:7b\n")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(line))
        assert main(["code", *words, "--config", config(tmp_path)]) == 0
    pepper = Secrets(directory=tmp_path / "s").pepper()
    lines = [f"{{digest: {pepper.code('4711')}}}", f"{{digest: {pepper.card('04A2117B')}}}"]
    captured = capsys.readouterr()
    assert captured.out.splitlines() == lines
    made = f"{tmp_path / 's'} gets a pepper: codes made here are known only to a gateway that has it\n"
    assert captured.err == made, "once, for codes made on the wrong machine open nothing"


@pytest.mark.parametrize(
    ("words", "given", "says"),
    [
        ([], "", "no code was given"),
        ([], "471\n", "a code has 4 to 12 digits and nothing else"),
        ([], "47a1\n", "a code has 4 to 12 digits and nothing else"),
        ([], "1234567890123\n", "a code has 4 to 12 digits and nothing else"),
        (["--card"], "ü\n", "a card is 1 to 128 letters and digits, as text"),
        (["--card"], "\n", "no card was given"),
    ],
)
def test_the_verb_refuses_without_repeating(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    given: str,
    says: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    assert main(["code", *words, "--config", config(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", says + "\n")
    assert not (tmp_path / "s" / "pepper").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("second", "exit_code"), [("4711", 0), ("4712", 2)])
def test_the_verb_asks_twice_and_unseen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    second: str,
    exit_code: int,
) -> None:
    answers = iter(["4711", second])
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    assert main(["code", "--config", config(tmp_path)]) == exit_code
    said = capsys.readouterr()
    assert "4711" not in said.out + said.err
    assert ("not the same" in said.err) is (exit_code == 2)


PEOPLE = "site: {id: hq, name: HQ}\npeople:\n  - {id: ada, codes: [{digest: " + "ab" * 32 + "}]}\n"


def test_check_sees_codes_that_were_made_with_another_pepper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "site.yaml"
    document.write_text(PEOPLE)
    words = ["check", "--config", config(tmp_path), "--site", str(document)]
    assert main(words) == 78
    assert "this gateway has no pepper they could be made with" in capsys.readouterr().err
    Secrets(directory=tmp_path / "s").pepper()
    assert main(words) == 0
