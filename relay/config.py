"""`relay.yaml`: what this relay is, where it listens, what it keeps, whom it tells.

Every mistake is reported with its place (`file:line:column`) by `rules.document.load`. Relative paths count from the
file's own folder. Secrets are names; their values are files in the secrets folder, readable by their owner alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from relay.errors import ConfigError
from rules.document import Duration, Secret, Strict, load
from rules.errors import DocumentError

Word = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$")]
Port = Annotated[int, Field(ge=0, le=65535)]


def is_loopback(host: str) -> bool:
    """Whether `host` never leaves this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RelayIdentity(Strict):
    """Who this relay is. `id` is written as the origin of every entry made here: it never changes. `on_site` says
    whether it stands in the building it serves; left out, a gateway on a Unix socket says so."""

    id: Word
    name: str
    on_site: bool | None = None


class TcpGateways(Strict):
    """Gateways over mutual TLS 1.3. `identity` is the folder `nightporter certs issue relay` made."""

    host: str = "127.0.0.1"
    port: Port
    identity: Path
    trust_domain: str | None = None


class LocalGateway(Strict):
    """The one gateway behind a Unix socket; the peer's uid stands for a certificate."""

    tenant: Word
    site: Word
    id: Word


class SocketGateways(Strict):
    """The gateway on this machine, over a Unix socket."""

    socket: Path
    uid: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    gateway: LocalGateway


class PeopleTls(Strict):
    """The certificate browsers see; PEM files."""

    certificate: Path
    key: Path


class People(Strict):
    """Where people come. `public_url` is written into notifications."""

    host: str = "127.0.0.1"
    port: Port
    tls: PeopleTls | None = None
    public_url: str | None = None
    metrics_token: Secret | None = None

    @model_validator(mode="after")
    def _plain_only_at_home(self) -> Self:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError(
                f"plain HTTP on {self.host} would send passwords readable over the network: "
                "give a certificate under tls, or listen on 127.0.0.1 behind your own proxy"
            )
        return self

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError(f"{value!r} is not a web address such as https://relay.example")
        return value.rstrip("/") if value else value


class Listeners(Strict):
    """At least one for gateways, exactly one for people."""

    gateways: Annotated[list[TcpGateways | SocketGateways], Field(min_length=1)]
    people: People


class Blobs(Strict):
    """Where media lies. `read_only`: another program's folder (the agent's own), looked into and never written."""

    directory: Path | None = None  # left out: `blobs` in the data folder
    read_only: bool = False
    floor: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024  # bytes left free on the file system
    largest: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024  # bytes of one blob

    @model_validator(mode="after")
    def _a_folder_to_look_into(self) -> Self:
        if self.read_only and self.directory is None:
            raise ValueError("read_only needs the directory of whoever writes it")
        return self

    @property
    def keeps(self) -> bool:
        """Whether this relay is a copy outside the gateway; one that is not stands back where another tells people."""
        return not self.read_only


class Webhook(Strict):
    """A signed POST (Standard Webhooks). `plain: true` allows http:// beyond this machine."""

    channel: Literal["webhook"]
    name: Word
    url: str
    secret: Secret
    plain: bool = False

    @model_validator(mode="after")
    def _address(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"webhook {self.name}: the url is not an http or https address")
        if parts.username or parts.password:
            raise ValueError(f"webhook {self.name}: no user or password in the url; the secret signs the request")
        if parts.scheme == "http" and not self.plain and not is_loopback(parts.hostname):
            raise ValueError(
                f"webhook {self.name}: http:// to {parts.hostname} can be read on the way; "
                "use https, or write plain: true if that network is yours"
            )
        return self


class Notify(Strict):
    """Policies by name: who is told. `own` names the policy for what the relay itself notices (a silent gateway)."""

    policies: dict[Word, Annotated[list[Webhook], Field(min_length=1)]] = {}
    own: Word | None = None
    give_up_after: Duration = Field(default=24 * 3600 * 1_000_000, validate_default=False)
    old_after: Duration = Field(default=600 * 1_000_000, validate_default=False)

    @model_validator(mode="after")
    def _names(self) -> Self:
        seen: dict[str, Webhook] = {}
        for channels in self.policies.values():
            for channel in channels:
                if seen.setdefault(channel.name, channel) != channel:
                    raise ValueError(f"two different channels are called {channel.name}")
        if self.own is not None and self.own not in self.policies:
            raise ValueError(f"own: there is no policy {self.own}; there is {', '.join(self.policies) or 'none'}")
        return self

    @property
    def own_policy(self) -> str | None:
        """The policy for the relay's own incidents: `own`, else the only one there is."""
        return self.own or (next(iter(self.policies)) if len(self.policies) == 1 else None)


class DatabaseAddress(Strict):
    """An SQLAlchemy address; left out: `relay.db` in the data folder."""

    url: str | None = None

    @field_validator("url")
    @classmethod
    def _is_supported(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"sqlite\+aiosqlite:///|postgresql\+asyncpg://", value):
            raise ValueError("write sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/NAME")
        return value


class Config(Strict):
    """The whole of relay.yaml, its paths absolute."""

    relay: RelayIdentity
    data: Path
    listeners: Listeners
    blobs: Blobs = Blobs()
    database: DatabaseAddress = DatabaseAddress()
    notify: Notify = Notify()
    secrets: Path = Path("secrets")

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite+aiosqlite:///{self.data / 'relay.db'}"

    @property
    def on_site(self) -> bool:
        """Whether people in the building look at this relay: what must stay secret there is not shown and not told."""
        if self.relay.on_site is not None:
            return self.relay.on_site
        return any(isinstance(listener, SocketGateways) for listener in self.listeners.gateways)

    @property
    def blobs_directory(self) -> Path:
        return self.blobs.directory or self.data / "blobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Values of secrets by name, read once at the start. Never shown, not even by repr."""

    _values: dict[str, bytes]

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def get(self, name: str) -> bytes:
        return self._values[name]


def read_config(path: Path) -> Config:
    """The checked configuration. Raises ConfigError whose text names file, line and column of every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the configuration cannot be read: {reason}") from None
    try:
        config = load(text, str(path), Config)
    except DocumentError as error:
        raise ConfigError(str(error)) from None
    return _anchored(config, path.absolute().parent)


def _anchored(config: Config, folder: Path) -> Config:
    """The same configuration with every relative path counted from `folder`."""
    gateways: list[TcpGateways | SocketGateways] = []
    for listener in config.listeners.gateways:
        if isinstance(listener, SocketGateways):
            gateways.append(listener.model_copy(update={"socket": folder / listener.socket}))
        else:
            gateways.append(listener.model_copy(update={"identity": folder / listener.identity}))
    people = config.listeners.people
    if people.tls is not None:
        files = {name: folder / getattr(people.tls, name) for name in ("certificate", "key")}
        people = people.model_copy(update={"tls": people.tls.model_copy(update=files)})
    directory = folder / config.blobs.directory if config.blobs.directory else None
    return config.model_copy(
        update={
            "data": folder / config.data,
            "secrets": folder / config.secrets,
            "listeners": config.listeners.model_copy(update={"gateways": gateways, "people": people}),
            "blobs": config.blobs.model_copy(update={"directory": directory}),
        }
    )


def read_secrets(config: Config) -> Secrets:
    """Every secret the configuration names. Raises ConfigError: missing, empty, or readable by others."""
    names = {channel.secret.secret for channels in config.notify.policies.values() for channel in channels}
    if config.listeners.people.metrics_token is not None:
        names.add(config.listeners.people.metrics_token.secret)
    return Secrets(_values={name: _secret(config.secrets, name) for name in sorted(names)})


def _secret(folder: Path, name: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(f"the secret name {name!r} is not a plain file name")
    path = folder / name
    try:
        mode = path.stat().st_mode
        value = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"{path}: the secret {name} cannot be read ({error.strerror}); put its value there with mode 0600"
        ) from None
    if mode & 0o077:
        raise ConfigError(f"{path}: others can read this secret (mode {mode & 0o777:04o}); run chmod 600 {path}")
    if not value:
        raise ConfigError(f"{path}: the secret {name} is empty")
    return value
