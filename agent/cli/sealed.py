"""Secrets and identity keys in a backup: one small tar, encrypted with a passphrase (age). Without it nobody can read
them; without them new hardware is a stranger to its devices, its relays and its people's codes."""

from __future__ import annotations

import getpass
import io
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.config.model import AgentConfig
from agent.errors import ConfigError, StoreError

SHORTEST = 12


def names(config: AgentConfig) -> list[str]:
    """What there is of secrets and identities, by name."""
    return sorted({str(Path(name)) for name, _ in _files(config)})


def passphrase(*, twice: bool) -> str:
    """From standard input, or asked for unseen. ConfigError when none is given, or it is short."""
    if sys.stdin.isatty():
        given = getpass.getpass("Passphrase: ")
        if twice and given != getpass.getpass("Once more: "):
            raise ConfigError("the two are not the same; nothing was written")
    else:
        given = sys.stdin.readline().rstrip("\n")
    if len(given) < SHORTEST and twice:
        raise ConfigError(f"the passphrase must have at least {SHORTEST} characters; nothing was written")
    if not given:
        raise ConfigError("no passphrase was given on standard input; nothing was changed")
    return given


def seal(config: AgentConfig, secret: str) -> bytes:
    """All of them, encrypted. ConfigError when one cannot be read by this user."""
    import pyrage  # type: ignore[import-untyped] # takes its time, and only these two verbs need it

    held = io.BytesIO()
    try:
        with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in _files(config):
                tar.add(path, arcname=name, recursive=False)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}; run this as the agent's user") from None
    return bytes(pyrage.passphrase.encrypt(held.getvalue(), secret))


def opened(sealed: bytes, secret: str) -> bytes:
    """What `seal` encrypted. ConfigError when the passphrase does not fit."""
    import pyrage

    try:
        return bytes(pyrage.passphrase.decrypt(sealed, secret))
    except pyrage.DecryptError:
        raise ConfigError("this passphrase does not open the secrets of this backup; nothing was changed") from None


def put(config: AgentConfig, data: bytes, *, owner: tuple[int, int]) -> list[Path]:
    """Put what was `opened` where the configuration says, owned by `owner`; what was there is kept beside it. Returns
    where that is now. StoreError when it cannot be written."""
    places = {"secrets": config.paths.secrets}
    places |= {f"identity/{each.name}": each.identity for each in config.outlets if each.identity is not None}
    kept = []
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            members = tar.getmembers()
            for prefix, place in places.items():
                mine = [each for each in members if each.name.startswith(prefix + "/")]
                if not mine:
                    continue
                if place.exists():
                    aside = place.with_name(f"{place.name}.before-restore-{stamp}")
                    place.rename(aside)
                    kept.append(aside)
                place.mkdir(mode=0o700, parents=True)
                os.chown(place, *owner)
                for each in mine:
                    inside = each.replace(name=each.name.removeprefix(prefix + "/"), deep=False)
                    tar.extract(inside, place, filter="data")
                    os.chown(place / inside.name, *owner, follow_symlinks=False)
                    if inside.isreg():
                        os.chmod(place / inside.name, 0o600)
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"the secrets cannot be put into their place: {error}") from None
    return kept


def _files(config: AgentConfig) -> Iterator[tuple[str, Path]]:
    """Their names in the tar, and where they lie. What systemd holds itself is not ours to copy."""
    roots = [("secrets", config.paths.secrets)]
    roots += [(f"identity/{each.name}", each.identity) for each in config.outlets if each.identity is not None]
    for prefix, root in roots:
        if root.is_dir():
            for path in sorted(root.rglob("*")):
                if not path.name.startswith("."):
                    yield f"{prefix}/{path.relative_to(root)}", path
