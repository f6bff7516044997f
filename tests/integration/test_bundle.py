"""A site without a network: a file is carried to the relay, its receipt back; both by the commands a person types."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli import main as agent_command
from agent.config.load import load_config
from agent.outlets.bundle.outlet import BundleOutlet
from certs import envelope, profiles, seal
from certs.identity import Identity
from hwlab.check import check
from relay.cli import main as relay_command
from rules import wire
from rules.wire.bundle import BUNDLE, BundleManifest
from tests.integration.outlet_rig import Rig, rig
from tests.integration.relay_rig import TRUST_DOMAIN, Place, Running, entry, inside

GATEWAY = "lobby"
FIRST, SECOND = b"first picture" * 5000, b"second" * 400_000


@dataclass(kw_only=True)
class Both:
    """Both ends, with nothing between them but a folder."""

    site: Rig
    place: Place
    relay: Running
    usb: Path
    config: Path
    relay_config: Path

    async def agent(self, *words: str) -> int:
        return await asyncio.to_thread(agent_command, [*words, "--config", str(self.config)])

    async def at_relay(self, *words: str) -> int:
        return await asyncio.to_thread(relay_command, [*words, "--config", str(self.relay_config)])

    async def write(self, *words: str) -> Path:
        before = set(self.usb.iterdir())
        assert await self.agent("bundle", "write", "--to", str(self.usb), *words) == 0
        (made,) = set(self.usb.iterdir()) - before
        return made

    async def bring(self, bundle: Path) -> Path:
        assert await self.at_relay("bundle", "import", str(bundle)) == 0
        return bundle.with_name(bundle.name + ".receipt")

    async def back(self, receipt: Path) -> None:
        """The receipt, taken up by the running outlet."""
        assert await self.agent("bundle", "receipt", str(receipt)) == 0
        async with self.outlet():
            async with asyncio.timeout(10):
                while any((self.config.parent / "bundles").iterdir()):
                    await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def outlet(self) -> AsyncIterator[BundleOutlet]:
        store = self.site.store
        outlet = BundleOutlet(
            config=load_config(self.config).outlets[0],
            gateway=GATEWAY,
            data=self.config.parent,
            database=store.database,
            log=store.log,
            cursors=store.cursors,
            blobs=store.blobs,
            intake=self.site.intake,
            clock=self.site.clock,
            look=0.02,
        )
        task = asyncio.create_task(outlet.run(), name="outlet")
        try:
            yield outlet
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def agrees(self) -> None:
        """The relay has what the gateway has, by the checker that shares no code with either."""
        database = self.relay_config.parent / "cloud-1-data" / "relay.db"
        report = check(gateway=GATEWAY, agent=self.site.store.database.path, relay=database)
        assert report.ok, str(report)

    def at_the_relay(self, sha256: str) -> bool:
        assert self.relay.relay is not None
        return self.relay.relay.blobs.find("acme", sha256) is not None


@pytest.fixture
async def both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Both]:
    place = Place.found(tmp_path)
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=GATEWAY)
    vault = place.issue("identity-vault", profiles.gateway(identity))
    relay_config = place.configure()
    assert relay_command(["bundle", "key", "--config", str(relay_config)]) == 0
    recipient = capsys.readouterr().out.strip()
    usb = tmp_path / "usb"
    usb.mkdir()
    async with rig(tmp_path / "site") as site, inside(place, relay_config) as relay:
        assert relay.relay is not None
        assert relay.relay.bundles is not None
        relay.relay.bundles.look = 0.05
        await site.store.blobs.serve(["vault"], gt=0)
        await site.store.blobs.fill("vault")
        data = site.store.database.path.parent
        config = data / "agent.yaml"
        config.write_text(
            f"gateway: {{tenant: acme, site: hq, id: {GATEWAY}}}\n"
            f"paths: {{data: ., media: {site.media}, secrets: secrets, run: run}}\n"
            "outlets:\n"
            f"  - {{name: vault, identity: {vault}, bundle: {{relay: 127.0.0.1, recipient: {recipient}}}}}\n"
        )
        yield Both(site=site, place=place, relay=relay, usb=usb, config=config, relay_config=relay_config)


async def test_there_and_back(both: Both) -> None:
    incident = await both.site.incident(title="Door opened at night")
    await both.site.door()
    picture = await both.site.still(FIRST, incident=incident)
    recording = await both.site.segment(SECOND)
    bundle = await both.write()
    assert bundle.name.startswith("lobby-vault-")
    assert b"Door opened at night" not in bundle.read_bytes(), "whoever finds the stick can read it"
    receipt = await both.bring(bundle)
    both.agrees()
    assert both.at_the_relay(picture)
    assert both.at_the_relay(recording)
    await both.back(receipt)
    kinds = [fact.kind for fact in both.site.decided]
    assert kinds.count("bundle.written") == 1
    assert kinds.count("bundle.received") == 1
    assert await both.site.store.blobs.waiting("vault", limit=10) == []
    for lane in ("P0", "P2"):
        assert await both.site.store.cursors.acknowledged("vault", lane) == both.site.store.log.head(lane).seq


async def test_only_what_is_new_the_next_time_and_then_nothing(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    await both.site.incident()
    await both.back(await both.bring(await both.write()))
    await both.back(await both.bring(await both.write()))  # what the first one made of events
    await both.site.door()
    bundle = await both.write()
    await both.bring(bundle)
    both.agrees()
    assert bundle.stat().st_size < 10_000


async def test_twice_the_same_and_one_that_was_lost(both: Both) -> None:
    """Importing is safe to repeat; what was in a lost bundle is in the next one too."""
    await both.site.incident(title="one")
    lost = await both.write()
    lost.unlink()
    await both.site.incident(title="two")
    bundle = await both.write()
    await both.bring(bundle)
    receipt = await both.bring(bundle)
    both.agrees()
    await both.back(receipt)
    await both.back(receipt)
    assert [fact.kind for fact in both.site.decided].count("bundle.received") == 1


async def test_what_people_did_at_the_relay_comes_back_with_the_receipt(both: Both) -> None:
    incident = await both.site.incident()
    await both.back(await both.bring(await both.write()))
    assert both.relay.relay is not None
    seen = entry("incident.acknowledged", incident, 2, origin="cloud-1")
    async with both.relay.relay.db.write() as connection:
        from relay.store import entries, gateways

        found = await gateways.find(connection, GATEWAY)
        assert found is not None
        owned = await entries.owners(connection, [incident])
        await entries.add(connection, found, [(seen, wire.encode(seen))], arrived_from=None, now=1, owned=owned)
    await both.site.door()
    await both.back(await both.bring(await both.write()))
    assert [fact.id for fact in both.site.decided if fact.kind == "incident.acknowledged"] == [seen.id]


async def test_a_changed_a_cut_and_a_foreign_one_are_refused(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    await both.site.incident()
    await both.site.segment(SECOND)
    bundle = await both.write()
    whole = bundle.read_bytes()
    for name, content, words in (
        ("changed", whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:], "changed or cut off"),
        ("cut", whole[: len(whole) // 2], "changed or cut off"),
        ("rubbish", os.urandom(5000), "not for the key"),
        ("empty", b"", "not for the key"),
    ):
        bad = both.usb / f"{name}.npbundle"
        bad.write_bytes(content)
        assert await both.at_relay("bundle", "import", str(bad)) == 1
        assert words in capsys.readouterr().err, name
    await both.bring(bundle)
    both.agrees()


def _forged(both: Both, directory: Path, **changes: object) -> bytes:
    """A bundle for our relay with a manifest of somebody's own."""
    manifest = BundleManifest(
        name="x.npbundle", gateway=GATEWAY, tenant="acme", site="hq", epoch="e", lanes={},
        made=int(datetime.now(UTC).timestamp() * 1e6),
    ).model_copy(update=changes)  # fmt: skip
    text = manifest.text().encode()
    signed = seal.seal(directory, text, made_for=BUNDLE, role="client").text().encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (("manifest.json", text), ("seal.json", signed), ("../../escaped", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive.seek(0)
    closed = io.BytesIO()
    envelope.close(archive, closed, recipient=envelope.recipient_of(both.relay_config.parent / "cloud-1-data"))
    return closed.getvalue()


async def test_nobody_speaks_for_another_gateway(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = both.place.issue(
        "identity-other",
        profiles.gateway(Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway="other")),
    )
    (tmp_path / "elsewhere").mkdir()
    stranger = Place.found(tmp_path / "elsewhere").issue(
        "identity", profiles.gateway(Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=GATEWAY))
    )
    mine = both.place.folder / "identity-vault"
    year = 365 * 86_400 * 1_000_000
    now = int(datetime.now(UTC).timestamp() * 1e6)
    for name, content, words in (
        ("other", _forged(both, other), "signed by gateway other and speaks for another one"),
        ("stranger", _forged(both, stranger), "another CA"),
        ("early", _forged(both, mine, made=now - year), "not valid when it was made"),
        ("escape", _forged(both, mine), "does not belong into it"),
    ):
        bad = both.usb / f"{name}.npbundle"
        bad.write_bytes(content)
        assert await both.at_relay("bundle", "import", str(bad)) == 1
        assert words in capsys.readouterr().err, name
    assert not list(tmp_path.rglob("escaped"))


async def test_a_receipt_of_somebody_else_moves_nothing(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    await both.site.incident()
    receipt = await both.bring(await both.write())
    text, signed = receipt.read_bytes().strip().split(b"\n")
    changed = json.loads(text) | {"gateway": "another"}
    forged = json.loads(text) | {"blobs": ["ab" * 32]}
    for content, words in (
        (json.dumps(changed).encode() + b"\n" + signed, "is for gateway another"),
        (json.dumps(forged).encode() + b"\n" + signed, "changed after it was signed"),
        (b"rubbish\n", "cannot be read"),
        (text, "signature cannot be read"),
    ):
        receipt.write_bytes(content)
        assert await both.agent("bundle", "receipt", str(receipt)) == 78
        assert words in capsys.readouterr().err
    assert await both.site.store.cursors.acknowledged("vault", "P0") == 0


async def test_a_medium_without_room_takes_the_records_and_the_first_pictures(both: Both) -> None:
    incident = await both.site.incident()
    picture = await both.site.still(FIRST, incident=incident)
    recording = await both.site.segment(SECOND)
    before = set(both.usb.iterdir())
    assert await both.agent("bundle", "write", "--to", str(both.usb), "--limit", "100kB") == 1  # says what is left
    (bundle,) = set(both.usb.iterdir()) - before
    await both.back(await both.bring(bundle))
    assert both.at_the_relay(picture)
    assert not both.at_the_relay(recording)
    waiting = {blob.sha256 for blob in await both.site.store.blobs.waiting("vault", limit=10)}
    assert recording in waiting
    assert picture not in waiting
    both.agrees()
