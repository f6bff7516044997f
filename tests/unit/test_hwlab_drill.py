"""What a drill takes from a gateway: names, never values; and where it writes is never where the gateway does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwlab.drill import settings, source
from hwlab.drill.settings import Plan, Ports
from hwlab.errors import DocumentError

AGENT = """
gateway: {tenant: acme, site: hq, id: lobby}
paths: {data: /var/lib/np/data, media: /var/lib/np/media, secrets: /etc/np/secrets, run: /run/np}
broker: {host: 10.0.0.1, port: 8883, user: np, password: {secret: broker}}
store: {keep: 30d}
media: {uids: [985], ring_seconds: 25}
outlets: [{name: cloud, url: "https://relay.acme.example:8443", identity: /var/lib/np/identity}]
"""
SITE = """
site: {id: hq, name: Headquarters}
devices:
  - {id: door, type: contact, mqtt: {topic: acme/door, field: contact, open: false, closed: true}}
  - {id: plus, type: contact, mqtt: {topic: acme/+/x, open: "0", closed: "1"}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://10.0.0.7/1", user: u, password: {secret: cam-lobby}}}
rules:
  - {id: r, when: {event: contact.opened, device: door}, then: [{notify: {policy: guards}}]}
"""


async def read(folder: Path, *, agent: str = AGENT, site: str = SITE) -> source.Source:
    (folder / "agent.yaml").write_text(agent)
    (folder / "site.yaml").write_text(site)
    return await source.read(folder / "agent.yaml", folder / "site.yaml")


async def test_who_the_gateway_is_stays_and_where_it_writes_does_not(tmp_path: Path) -> None:
    taken = await read(tmp_path)
    assert (taken.tenant, taken.gateway) == ("acme", "lobby")
    assert taken.more == {"store": {"keep": "30d"}, "media": {"ring_seconds": 25}}
    assert taken.secrets == ("cam-lobby",)
    assert taken.policies == ("guards",)
    assert [contact["id"] for contact in taken.contacts] == ["door"]  # a topic with a wildcard cannot be spoken to
    ports = Ports(broker=1, gateways=2, people=3, webhook=4, box_people=5)
    plan = Plan(directory=tmp_path / "copy", ports=ports, site=taken.site, more=taken.more, policies=taken.policies)
    written = settings.agent_yaml(plan) + settings.cloud_yaml(plan) + settings.box_yaml(plan)
    for elsewhere in ("/var/lib", "/etc/np", "/run/np", "10.0.0", "acme.example"):
        assert elsewhere not in written
    assert set(json.loads(settings.cloud_yaml(plan))["notify"]["policies"]) == {"guards", settings.POLICY}


async def test_the_drills_own_doors_stand_beside_the_sites(tmp_path: Path) -> None:
    taken = await read(tmp_path)
    document = json.loads(settings.with_drill_devices(taken.site))
    assert [device["id"] for device in document["devices"]] == [
        *("door", "plus", "cam"),
        *(settings.DOOR, settings.HATCH, settings.SIREN),
    ]
    assert [rule["id"] for rule in document["rules"]] == ["r", "drill-alarm"]


@pytest.mark.parametrize(
    ("agent", "site", "said"),
    [
        ("[", SITE, "is not YAML"),
        ("listeners: {}", SITE, "does not say which gateway"),
        ("just text", SITE, "this is no agent.yaml"),
        (AGENT, "devices: []", "there is no site document"),
        (AGENT, "{", "site.yaml is not YAML"),
    ],
)
async def test_what_it_cannot_use_it_names(tmp_path: Path, agent: str, site: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        await read(tmp_path, agent=agent, site=site)


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        await source.read(tmp_path / "none.yaml", None)
