"""An identity directory: one holder's key and certificates, replaced whole, never half.

    <directory>/000007/key.pem            PKCS#8, unencrypted, 0600
    <directory>/000007/cert.pem           our certificate
    <directory>/000007/chain.pem          our certificate and the issuing CA, in the order TLS sends them
    <directory>/000007/trust.pem          the root that peers must descend from
    <directory>/current -> 000007         renamed into place as the last step
    <directory>/trust.pem -> current/trust.pem

A new generation is written beside the old one and fsynced before `current` moves, so a reader and a power cut find
one or the other. The generation that was current before is kept until the next install.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certs import private
from certs.errors import KeystoreBusy, KeystoreError

_GENERATION = re.compile(r"[0-9]{6,}")
_FILES = ("key.pem", "cert.pem", "chain.pem", "trust.pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Where the files of one generation are. The paths name the generation itself, not the moving link."""

    generation: int
    key: Path
    cert: Path
    chain: Path
    trust: Path


def install(directory: Path, *, key: bytes, cert: bytes, chain: bytes, trust: bytes) -> Material:
    """Installs PEM bytes as a new generation and makes it current. Returns it.

    Raises KeystoreBusy while another process installs, OSError when the disk refuses; then the old generation is
    still current.
    """
    directory = directory.absolute()
    private.make_directories(directory)
    with _locked(directory):
        _sweep(directory)
        before = _linked(directory)
        number = max(_generations(directory), default=0) + 1
        name = f"{number:06d}"
        fresh = directory / f".{name}.new"
        private.make_directory(fresh)
        for file, content in zip(_FILES, (key, cert, chain, trust), strict=True):
            private.write_new(fresh / file, content)
        private.sync_directory(fresh)
        os.rename(fresh, directory / name)
        private.sync_directory(directory)  # the generation must be there before anything points at it
        _point(directory / "trust.pem", "current/trust.pem")
        _point(directory / "current", name)
        for old in _generations(directory):
            if old not in (number, before):
                shutil.rmtree(directory / f"{old:06d}")
    return _material(directory, number)


def current(directory: Path) -> Material:
    """The current generation. Raises KeystoreError that says what is missing and how to get it."""
    number = _linked(directory)
    if number is None:
        raise KeystoreError(
            f"{directory} holds no identity: nothing is installed as {directory / 'current'}; issue one with "
            "nightporter certs issue"
        )
    material = _material(directory.absolute(), number)
    for path in (material.key, material.cert, material.chain, material.trust):
        try:
            readable = path.is_file() and os.access(path, os.R_OK)
        except PermissionError:
            readable = False
        if not readable:
            raise KeystoreError(
                f"{path} is missing or not readable for this user; install the identity again, or give the directory "
                "to the user that runs this process"
            )
    return material


def previous(directory: Path) -> Material | None:
    """The newest generation that is not current, or None."""
    linked = _linked(directory)
    others = [number for number in _generations(directory) if number != linked]
    return _material(directory.absolute(), max(others)) if others else None


def _material(directory: Path, number: int) -> Material:
    folder = directory / f"{number:06d}"
    return Material(
        generation=number,
        key=folder / "key.pem",
        cert=folder / "cert.pem",
        chain=folder / "chain.pem",
        trust=folder / "trust.pem",
    )


def _generations(directory: Path) -> list[int]:
    return [int(entry.name) for entry in directory.iterdir() if _GENERATION.fullmatch(entry.name) and entry.is_dir()]


def _linked(directory: Path) -> int | None:
    try:
        target = os.readlink(directory / "current")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise KeystoreError(f"{directory} is not readable for this user") from None
    except OSError:
        raise KeystoreError(f"{directory / 'current'} is not a link; install the identity again") from None
    if not _GENERATION.fullmatch(target) or not (directory / target).is_dir():
        raise KeystoreError(f"{directory / 'current'} points at {target!r}, which is no generation; install again")
    return int(target)


def _point(link: Path, target: str) -> None:
    """Makes `link` point at `target` in one step."""
    fresh = link.with_name(f".{link.name}.new")
    os.symlink(target, fresh)  # _sweep removed what a crash may have left under this name
    os.rename(fresh, link)
    private.sync_directory(link.parent)


def _sweep(directory: Path) -> None:
    """Removes what an interrupted install left behind."""
    for entry in directory.iterdir():
        if entry.name.startswith(".") and entry.name.endswith(".new"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeystoreBusy(f"another process is installing into {directory}; try again") from None
        yield
    finally:
        os.close(handle)
