"""`nightporter certs`: what a person sees, and the exit codes a program sees."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from certs import cli, keystore
from certs.judgement import check_own


class Input(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


@pytest.fixture
def ca(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    directory = tmp_path / "ca"
    assert cli.main(["init", "--dir", str(directory), "--trust-domain", "np.example", "--no-passphrase"]) == 0
    capsys.readouterr()
    return directory


def test_from_nothing_to_two_usable_identities(ca: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = ["--tenant", "acme", "--site", "hq", "--id", "lobby", "--out", str(tmp_path / "gateway")]
    relay = ["--name", "relay.example", "--name", "127.0.0.1", "--out", str(tmp_path / "relay")]
    assert cli.main(["issue", "gateway", "--dir", str(ca), *gateway]) == 0
    assert "spiffe://np.example/t/acme/s/hq/g/lobby" in capsys.readouterr().out
    assert cli.main(["issue", "relay", "--dir", str(ca), *relay]) == 0
    check_own(keystore.current(tmp_path / "gateway"), role="client")
    check_own(keystore.current(tmp_path / "relay"), role="server")

    capsys.readouterr()
    assert cli.main(["list", "--dir", str(ca), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["state"]) for one in listed] == [("gateway", "valid"), ("relay", "valid")]
    assert cli.main(["list", "--dir", str(ca)]) == 0
    assert "relay.example, 127.0.0.1" in capsys.readouterr().out


def test_issuing_again_makes_the_next_generation(ca: Path, tmp_path: Path) -> None:
    words = ["issue", "relay", "--dir", str(ca), "--name", "127.0.0.1", "--out", str(tmp_path / "relay")]
    assert cli.main(words) == 0
    assert cli.main(words) == 0
    assert keystore.current(tmp_path / "relay").generation == 2


def test_an_unencrypted_root_key_must_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "--dir", str(tmp_path / "ca"), "--trust-domain", "np.example"]) == 2
    assert "--no-passphrase" in capsys.readouterr().err
    assert not (tmp_path / "ca").exists()


def test_the_passphrase_comes_from_a_file_or_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--trust-domain", "np.example", "--passphrase-file"]
    (tmp_path / "word").write_text("correct horse\nsecond line\n")
    assert cli.main(["init", "--dir", str(tmp_path / "a"), *words, str(tmp_path / "word")]) == 0
    monkeypatch.setattr(sys, "stdin", Input("correct horse\n"))
    assert cli.main(["init", "--dir", str(tmp_path / "b"), *words, "-"]) == 0
    for name in ("a", "b"):
        assert "ENCRYPTED" in (tmp_path / name / "root" / "key.pem").read_text()
    shown = "".join(capsys.readouterr())
    assert "correct horse" not in shown

    monkeypatch.setattr(sys, "stdin", Input(""))
    assert cli.main(["init", "--dir", str(tmp_path / "c"), *words, "-"]) == 78
    assert "holds no passphrase" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Input("short\n"))
    assert cli.main(["init", "--dir", str(tmp_path / "c"), *words, "-"]) == 78
    assert "too short" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["list", "--dir", "nowhere"], 78, "make a CA with: nightporter certs init"),
        (["issue", "relay", "--dir", "nowhere", "--name", "a", "--out", "x"], 78, "cert.pem is missing"),
        (["init", "--dir", "x", "--trust-domain", "A B", "--no-passphrase"], 78, "trust domain 'A B'"),
        (["init", "--dir", "x", "--trust-domain", "a", "--passphrase-file", "nowhere"], 78, "nowhere: No such file"),
        (["issue"], 2, "KIND"),
        (["isue"], 2, "invalid choice"),
        ([], 2, "VERB"),
    ],
)
def test_mistakes_are_said_with_their_code(
    words: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == code
    assert sentence in capsys.readouterr().err


def test_a_full_disk_is_worth_another_try(
    ca: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["issue", "relay", "--dir", str(ca), "--name", "127.0.0.1", "--out", str(ca / "x")]) == 75
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["init"], ["issue"], ["issue", "gateway"], ["issue", "relay"], ["list"]])
def test_every_verb_shows_an_example(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*verb, "--help"]) == 0
    assert "example:\n  nightporter certs" in capsys.readouterr().out
