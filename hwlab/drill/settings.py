"""The documents a drill's processes are given: everything on loopback and in one folder, nothing of a live system."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TENANT, GATEWAY = "drill", "gw-1"
WEBHOOK_SECRET = "duty-desk"  # noqa: S105 - its name, not its value

# Two doors that the drill moves, a siren, and a rule that opens an incident and tells somebody. They are added to a
# site's own document, or are all there is.
DOOR, HATCH, SIREN = "drill-door", "drill-hatch", "drill-siren"
POLICY = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where everything listens on 127.0.0.1."""

    broker: int
    gateways: int
    people: int
    webhook: int
    box_people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be set up. `site` is the site document; `more` are further keys of agent.yaml, taken as they are;
    `tls`: the cloud relay over mutual TLS, else over a Unix socket; `camera`: (id, url, user) of a lab camera."""

    directory: Path
    ports: Ports
    site: str
    tenant: str = TENANT
    gateway: str = GATEWAY
    tls: bool = True
    box: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    policies: Iterable[str] = (POLICY,)

    @property
    def site_id(self) -> str:
        """The site's id, as its document says."""
        return str(yaml.safe_load(self.site)["site"]["id"])

    @property
    def agent_config(self) -> Path:
        return self.directory / "agent" / "agent.yaml"


def agent_yaml(plan: Plan) -> str:
    """agent.yaml: the lab's broker, the drill's relays, everything else as `more` says."""
    outlets: list[dict[str, Any]] = []
    if plan.tls:
        url = f"https://127.0.0.1:{plan.ports.gateways}"
        outlets.append({"name": "cloud", "url": url, "identity": "identity/cloud"})
    else:
        outlets.append({"name": "cloud", "socket": str(plan.directory / "cloud" / "gw.sock")})
    if plan.box:
        outlets.append({"name": "box", "socket": str(plan.directory / "box" / "gw.sock"), "keeps_copy": False})
    return _dump(
        {
            **plan.more,
            "gateway": {"tenant": plan.tenant, "site": plan.site_id, "id": plan.gateway},
            "paths": {"data": "data", "media": "media", "secrets": "secrets", "run": "run"},
            "broker": {
                "host": "127.0.0.1",
                "port": plan.ports.broker,
                "user": "agent",
                "password": {"secret": "drill-broker"},
            },
            "outlets": outlets,
        }
    )


def cloud_yaml(plan: Plan) -> str:
    """relay.yaml of the relay in the cloud: a copy of everything, and a duty desk to tell."""
    if plan.tls:
        listener: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": plan.ports.gateways,
            "identity": "identity",
            "trust_domain": "drill.example",
        }
    else:
        listener = _socket(plan)
    return _dump(
        {
            "relay": {"id": "cloud", "name": "Drill cloud", "on_site": False},
            "data": "data",
            "blobs": {"floor": 0},
            "listeners": {
                "gateways": [listener],
                "people": {"host": "127.0.0.1", "port": plan.ports.people},
            },
            "notify": {"policies": {name: [_webhook(plan)] for name in sorted({*plan.policies, POLICY})}},
        }
    )


def box_yaml(plan: Plan) -> str:
    """relay.yaml of the relay on the box, which reads the agent's own media."""
    return _dump(
        {
            "relay": {"id": "box", "name": "Drill box"},
            "data": "data",
            "listeners": {
                "gateways": [_socket(plan)],
                "people": {"host": "127.0.0.1", "port": plan.ports.box_people},
            },
            "blobs": {"directory": str(plan.directory / "agent" / "media" / "blobs"), "read_only": True},
        }
    )


def _webhook(plan: Plan) -> dict[str, Any]:
    url = f"http://127.0.0.1:{plan.ports.webhook}/incidents"
    return {"channel": "webhook", "name": "duty-desk", "url": url, "secret": {"secret": WEBHOOK_SECRET}}


def _socket(plan: Plan) -> dict[str, Any]:
    who = {"tenant": plan.tenant, "site": plan.site_id, "id": plan.gateway}
    return {"socket": "gw.sock", "uid": [os.getuid()], "gateway": who}


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"  # JSON is YAML, and leaves no word to guess


def with_drill_devices(site: str, *, camera: tuple[str, str, str] | None = None) -> str:
    """A site document with the drill's own doors, siren and rule added; a lab camera that each opening records."""
    document = yaml.safe_load(site)
    document["devices"] = [*document.get("devices", []), _contact(DOOR), _contact(HATCH), _siren()]
    then: list[dict[str, Any]] = [
        {"open_incident": {"severity": "high", "title": "Drill: {{ device.name }} opened", "group": "0s"}},
        {"command": {"device": SIREN, "set": "on", "for": "1h"}},
        {"notify": {"policy": POLICY}},
    ]
    if camera is not None:
        name, url, user = camera
        rtsp = {"url": url, "user": user, "password": {"secret": "drill-camera"}}
        document["devices"].append({"id": name, "name": "Drill camera", "type": "camera", "rtsp": rtsp})
        then.insert(1, {"save_clip": {"cameras": [name], "pre": "2s", "post": "2s"}})
    rule = {
        "id": "drill-alarm",
        "name": "A drill's door opened",
        "when": {"event": "contact.opened", "device": DOOR},
        "storm": {"more_than": 1000, "within": "1s"},  # a drill is a storm, and each opening shall be told
        "then": then,
    }
    document["rules"] = [*document.get("rules", []), rule]
    return _dump(document)


EMPTY_SITE = "site: {id: house, name: The House, timezone: Europe/Zurich}\n"


def _contact(name: str) -> dict[str, Any]:
    mqtt = {"topic": f"building/{name}", "field": "contact", "open": False, "closed": True}
    return {"id": name, "name": name, "type": "contact", "mqtt": mqtt}


def _siren() -> dict[str, Any]:
    command = {"topic": f"building/{SIREN}/set", "on": '{"state":"ON"}', "off": '{"state":"OFF"}'}
    mqtt = {"topic": f"building/{SIREN}", "field": "state", "on": "ON", "off": "OFF", "command": command}
    return {"id": SIREN, "name": SIREN, "type": "siren", "mqtt": mqtt}
