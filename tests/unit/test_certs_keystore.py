"""Installing an identity: whole or not at all, private, and the last one kept."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certs import keystore
from certs.errors import KeystoreBusy, KeystoreError


def install(directory: Path, word: bytes) -> keystore.Material:
    return keystore.install(
        directory, key=b"key " + word, cert=b"cert " + word, chain=b"chain " + word, trust=b"root " + word
    )


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def words(material: keystore.Material) -> set[bytes]:
    """Which installation each file comes from: one word, or the generation is mixed."""
    paths = (material.key, material.cert, material.chain, material.trust)
    return {path.read_bytes().split()[-1] for path in paths}


@pytest.mark.usefixtures("no_umask")
def test_the_layout_and_its_modes(tmp_path: Path) -> None:
    directory = tmp_path / "identity" / "cloud"
    material = install(directory, b"one")
    assert keystore.current(directory) == material
    assert os.readlink(directory / "current") == "000001"
    assert (directory / "trust.pem").read_bytes() == b"root one"
    assert (directory / "current" / "key.pem").read_bytes() == b"key one"
    for path in (directory, directory / "000001"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (directory / "000001").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_previous_generation_is_kept_and_only_that(tmp_path: Path) -> None:
    for word in (b"one", b"two", b"three"):
        install(tmp_path, word)
    assert words(keystore.current(tmp_path)) == {b"three"}
    before = keystore.previous(tmp_path)
    assert before is not None
    assert words(before) == {b"two"}
    assert not (tmp_path / "000001").exists()


def test_an_interruption_at_any_step_leaves_a_whole_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops the install at its first, second, ... system call until one run goes through."""
    for step in range(1, 100):
        directory = tmp_path / str(step)
        install(directory, b"one")
        calls = 0

        def failing(real: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:  # noqa: B023
                raise InterruptedError("power cut")
            return real(*arguments, **keywords)

        with monkeypatch.context() as patch:
            for name in ("fsync", "rename", "symlink", "mkdir"):
                real = getattr(os, name)
                patch.setattr(os, name, lambda *a, real=real, **k: failing(real, *a, **k))
            try:
                install(directory, b"two")
            except InterruptedError:
                interrupted = True
            else:
                interrupted = False
        found = words(keystore.current(directory))
        assert found in ({b"one"}, {b"two"})
        install(directory, b"three")
        assert words(keystore.current(directory)) == {b"three"}
        assert {entry.name for entry in directory.iterdir() if entry.name.startswith(".")} == set()
        if not interrupted:
            assert found == {b"two"}
            assert step > 8
            return
    pytest.fail("the install never went through")


def test_one_installs_at_a_time(tmp_path: Path) -> None:
    install(tmp_path, b"one")
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(KeystoreBusy, match="try again") as caught:
            install(tmp_path, b"two")
    finally:
        os.close(handle)
    assert not caught.value.permanent
    assert words(keystore.current(tmp_path)) == {b"one"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match=r"holds no identity.*certs issue"):
        keystore.current(tmp_path)
    install(tmp_path, b"one")
    assert keystore.previous(tmp_path) is None
    (tmp_path / "000001" / "chain.pem").unlink()
    with pytest.raises(KeystoreError, match=r"chain\.pem is missing or not readable"):
        keystore.current(tmp_path)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("../elsewhere")
    with pytest.raises(KeystoreError, match="no generation"):
        keystore.current(tmp_path)
    (tmp_path / "current").unlink()
    (tmp_path / "current").mkdir()
    with pytest.raises(KeystoreError, match="not a link"):
        keystore.current(tmp_path)
