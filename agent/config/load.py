"""Reading `agent.yaml` and the secrets it names. Every mistake becomes a ConfigError with its place."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from agent.config.model import AgentConfig, PathsConfig
from agent.errors import ConfigError
from rules.document import load
from rules.document.site import Site, load_site
from rules.errors import DocumentError

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{what} {path} does not exist") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what} {path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from None


def load_config(path: Path) -> AgentConfig:
    """The configuration; relative paths in it are relative to the file."""
    try:
        config = load(_text(path, "configuration"), str(path), AgentConfig)
    except DocumentError as error:
        raise ConfigError(str(error)) from None
    base = path.resolve().parent
    paths = PathsConfig(**{name: base / getattr(config.paths, name) for name in PathsConfig.model_fields})
    outlets = [
        outlet.model_copy(
            update={
                "identity": base / outlet.identity if outlet.identity else None,
                "socket": base / outlet.socket if outlet.socket else None,
            }
        )
        for outlet in config.outlets
    ]
    broker = config.broker
    if broker is not None and broker.tls is not None:
        broker = broker.model_copy(update={"tls": broker.tls.model_copy(update={"ca": base / broker.tls.ca})})
    return config.model_copy(update={"paths": paths, "outlets": outlets, "broker": broker})


def load_site_file(path: Path) -> tuple[str, Site]:
    """A site document as text and as what it means."""
    text = _text(path, "site document")
    return text, parse_site(text, str(path))


def parse_site(text: str, name: str) -> Site:
    """A site document from its text."""
    try:
        return load_site(text, name)
    except DocumentError as error:
        raise ConfigError(str(error)) from None


class Secrets:
    """Secrets by name: one file each, readable by nobody else. Values are never logged or put into errors."""

    def __init__(self, *, directory: Path) -> None:
        self._directory = directory

    def get(self, name: str) -> str:
        """The value, without its final newline. systemd credentials come before the directory."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        if given and (Path(given) / name).is_file():  # systemd guards these; an ACL of its own shows as group rights
            return _text(Path(given) / name, f"secret {name}:").removesuffix("\n")
        path = self._directory / name
        if path.is_file():
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigError(f"secret {name}: {path} can be read by others; chmod 600 {path}")
            return _text(path, f"secret {name}:").removesuffix("\n")
        raise ConfigError(f"secret {name} is not set; set it with: nightporter agent secret set {name}")

    def set(self, name: str, value: str) -> None:
        """Write a value atomically, mode 0600."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a name for a secret: small letters, digits and single hyphens")
        temporary = self._directory / f".{name}.new"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._directory / name)
        except OSError as error:
            raise ConfigError(f"secret {name} cannot be written to {self._directory}: {error.strerror}") from None
