"""What a drill takes from a gateway that is in use: its agent.yaml and its site document, both only read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hwlab.demo.estate import command
from hwlab.errors import DocumentError

# What a drill puts in its place: who the gateway is stays, where it writes and with whom it speaks does not.
_REPLACED = ("gateway", "paths", "broker", "outlets")
_MOST_MOVED = 8


@dataclass(frozen=True, slots=True)
class Source:
    """`site` is the site document; `more` the keys of agent.yaml that stay; `secrets` the names the document asks for,
    never their values; `contacts` are doors of the site that the drill can move."""

    tenant: str
    gateway: str
    site: str
    more: dict[str, Any]
    secrets: tuple[str, ...]
    policies: tuple[str, ...]
    contacts: tuple[dict[str, Any], ...]


async def read(config: Path, site: Path | None) -> Source:
    """Read them. Without `site` the version in force is asked for (`nightporter site export`)."""
    document = _document(_text(config), config, "this is no agent.yaml")
    who = document.get("gateway")
    if not isinstance(who, dict) or not {"tenant", "id"} <= who.keys():
        raise DocumentError([f"{config}: this is no agent.yaml: it does not say which gateway it is of"])
    if site is not None:
        text = _text(site)
    else:
        text = await command("site", "export", "--config", str(config))
    nothing = "there is no site document to drill with"
    loaded = _document(text, site or config, nothing)
    if "site" not in loaded:
        raise DocumentError([f"{site or config}: {nothing}"])
    more = {name: value for name, value in document.items() if name not in _REPLACED}
    if isinstance(more.get("media"), dict):
        more["media"] = {name: value for name, value in more["media"].items() if name != "uids"}
    return Source(
        tenant=str(who["tenant"]),
        gateway=str(who["id"]),
        site=text,
        more=more,
        secrets=tuple(sorted({str(name) for name in _named(loaded, "secret") if isinstance(name, str)})),
        policies=tuple(sorted({str(name) for name in _named(loaded, "policy") if isinstance(name, str)})),
        contacts=tuple(_contacts(loaded))[:_MOST_MOVED],
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError([f"{path} cannot be read: {error}"]) from None


def _document(text: str, path: Path, wrong: str) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentError([f"{path} is not YAML: {error}"]) from None
    if not isinstance(loaded, dict):
        raise DocumentError([f"{path}: {wrong}"])
    return loaded


def _named(value: object, name: str) -> Iterator[object]:
    """Every value of a key of that name, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from _named(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, name)


def _contacts(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for device in document.get("devices") or []:
        mqtt = device.get("mqtt") if isinstance(device, dict) and device.get("type") == "contact" else None
        if isinstance(mqtt, dict) and {"topic", "open", "closed"} <= mqtt.keys() and "+" not in str(mqtt["topic"]):
            yield {"id": device.get("id"), **mqtt}
