"""Bad input and bad days: each ends in a sentence for a person; nothing is lost, nothing runs hot, the siren sounds.

The tests with a `place` share one running town, in the order in which they stand here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio

from certs import keystore, profiles
from certs.authority import open_authority
from certs.founding import found
from certs.identity import Identity
from certs.parts import key_pem, new_key
from hwlab.cameras import Mode
from hwlab.demo.estate import GATEWAY, SITE, TENANT
from hwlab.instant import boot_now
from tests.e2e.bad_input_rig import VANDAL, Town, filled, fsync_fails, may_trace, nightporter, rows, town, until
from tests.integration.relay_rig import Place, opened, outside

Peer = Callable[[str], str]
Capability = Callable[[str, bool], None]
in_town = pytest.mark.asyncio(loop_scope="module")

# --- 1. configuration ------------------------------------------------------------------------------------------------

AGENT_YAML = """\
gateway: {tenant: demo, site: hq, id: lobby}
paths: {data: data, media: media, secrets: secrets, run: run}
broker: {host: 127.0.0.1, port: 9, user: agent, password: {secret: broker}}
"""
SITE_YAML = """\
site: {id: hq, name: Headquarters}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
"""
RELAY_YAML = """\
relay: {id: cloud, name: Operations centre}
data: data
listeners:
  gateways:
    - {socket: gateway.sock, uid: [0], gateway: {tenant: demo, site: hq, id: lobby}}
  people: {host: 127.0.0.1, port: 0}
notify:
  policies:
    guards: [{channel: webhook, name: desk, url: "http://127.0.0.1:9/", secret: {secret: desk}}]
"""

# The mistake, what is changed into what, where it is said to be, and words of the sentence.
MISTAKES = {
    "agent.yaml": [
        ("unknown key", ("port: 9", "prot: 9"), "3:27", "prot: is not a known key here"),
        ("broken YAML", ("media: media", "media: [media"), "2:", "this is not YAML"),
        ("wrong type", ("port: 9", "port: nine"), "3:33", "'nine' stands where a whole number is expected"),
        ("key twice", ("broker:", "paths: {}\nbroker:"), "3:1", "paths: stands here twice (first in line 2)"),
    ],
    "site.yaml": [
        ("unknown key", ("field:", "feild:"), "3:", "did you mean field?"),
        ("broken YAML", ("closed: true}}", "closed: true}"), "4:1", "this is not YAML"),
        ("wrong type", ("id: door", "id: [door]"), "3:", "devices.0.id"),
        ("key twice", ("devices:", "site: {}\ndevices:"), "2:1", "site: stands here twice (first in line 1)"),
    ],
    "relay.yaml": [
        ("unknown key", ("data: data", "dat: data"), "2:1", "did you mean data?"),
        ("broken YAML", ("name: Operations centre}", "name: Operations centre"), "2:", "this is not YAML"),
        ("wrong type", ("port: 0", "port: none"), "6:35", "'none' stands where a whole number is expected"),
        ("key twice", ("data: data", "data: data\ndata: other"), "3:1", "data: stands here twice (first in line 2)"),
    ],
}
READERS = {
    "agent.yaml": (("agent", "run"), ("agent", "check"), ("agent", "media"), ("site", "import", "site.yaml")),
    "site.yaml": (("agent", "check", "--site", "site.yaml"), ("site", "import", "site.yaml")),
    "relay.yaml": (("relay", "run"), ("relay", "check")),
}


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """A folder with a good agent.yaml, site.yaml and relay.yaml, and the secrets they name."""
    (tmp_path / "agent.yaml").write_text(AGENT_YAML)
    (tmp_path / "site.yaml").write_text(SITE_YAML)
    (tmp_path / "relay.yaml").write_text(RELAY_YAML)
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name, value in (("broker", "bWFuaWZlc3Q"), ("desk", "whsec_c2l4dGVlbiBieXRlcyBsb25nIQ==")):
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text(value)
    return tmp_path


def refused(folder: Path, *words: str, config: str = "") -> str:
    """Run it: it must end with 78 and a sentence, without a traceback and without a secret. The sentence."""
    config = config or ("relay.yaml" if words[0] == "relay" else "agent.yaml")
    done = nightporter(*words, "--config", config, cwd=folder)
    assert done.returncode == 78, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    assert "bWFuaWZlc3Q" not in done.stderr + done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert 1 <= len(said) <= 4, done.stderr
    return "\n".join(said)


@pytest.mark.parametrize("file", MISTAKES)
def test_a_mistake_in_a_file_is_named_by_line_and_column(office: Path, file: str) -> None:
    good = (office / file).read_text()
    for mistake, (old, new), place, sentence in MISTAKES[file]:
        assert old in good
        (office / file).write_text(good.replace(old, new, 1))
        for words in READERS[file]:
            said = refused(office, *words)
            assert re.search(rf"^{file}:{place}\d*:?\d*: ", said, re.MULTILINE), f"{mistake}: {said}"
            assert sentence in said, f"{mistake}: {said}"
    assert not (office / "data").exists(), "nothing was begun"


@pytest.mark.parametrize(("program", "secret"), [("agent", "broker"), ("relay", "desk")])
def test_a_secret_that_is_missing_or_readable_by_others(office: Path, program: str, secret: str) -> None:
    path = office / "secrets" / secret
    path.chmod(0o644)
    for verb in ("run", "check"):
        said = refused(office, program, verb)
        assert f"chmod 600 {path}" in said
    path.unlink()
    for verb in ("run", "check"):
        assert f"secret {secret} " in refused(office, program, verb)


def test_a_data_directory_that_cannot_be_written(office: Path) -> None:
    (office / "data").write_text("somebody's file")
    assert f"directory {office}/data cannot be made" in refused(office, "agent", "run")
    assert f"cannot be laid into {office}/data" in refused(office, "site", "import", "site.yaml")
    assert f"the data folder {office}/data cannot be written" in refused(office, "relay", "run")
    assert (office / "data").read_text() == "somebody's file"
    if os.geteuid() != 0:  # root writes wherever it wants
        (office / "data").unlink()
        (office / "data").mkdir(mode=0o500)
        assert f"directory {office}/data cannot be written by this user" in refused(office, "agent", "run")
        assert f"cannot be laid into {office}/data" in refused(office, "site", "import", "site.yaml")
        assert f"the data folder {office}/data cannot be written" in refused(office, "relay", "run")


def test_a_second_agent_on_the_same_data(office: Path) -> None:
    with running(office, "agent", "run", "--config", "agent.yaml") as first:
        said = refused(office, "agent", "run")
        assert f"another agent (process {first.pid}) is running on {office}/data" in said
        assert first.poll() is None, "the first one goes on"


def test_a_port_in_use(office: Path) -> None:
    """Who holds it may let go of it: that is worth another try, so it is 75 and systemd tries again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = (office / "relay.yaml").read_text()
        (office / "relay.yaml").write_text(text.replace("port: 0", f"port: {port}"))
        done = nightporter("relay", "run", "--config", "relay.yaml", cwd=office)
    assert done.returncode == 75
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_ours_is_left_as_it_is(office: Path) -> None:
    log, relay = office / "data" / "log.db", office / "data" / "relay.db"
    for words, file in ((("agent", "run"), log), (("relay", "run"), relay)):
        with running(office, *words, "--config", f"{words[0]}.yaml"):
            pass
        good = file.read_bytes()
        newer = "PRAGMA user_version=999" if file == log else "UPDATE alembic_version SET version_num = '9999'"
        update = partial(change, file, "PRAGMA journal_mode=DELETE", newer)
        ways: list[tuple[Callable[[], object], str]] = [(update, "newer|later version")]
        if file == relay:  # the agent's is rescued: see the next test
            ways.append((partial(file.write_bytes, b"once a database" + b"\0" * 4096), "database"))
        for spoil, sentence in ways:
            file.write_bytes(good)
            spoil()
            digest = hashlib.sha256(file.read_bytes()).digest()
            said = refused(office, *words)
            assert str(file) in said
            assert re.search(sentence, said), said
            assert re.search("restore a backup", said, re.IGNORECASE), said
            assert hashlib.sha256(file.read_bytes()).digest() == digest, "it was changed"
        file.write_bytes(good)
    text = (office / "agent.yaml").read_text()
    (office / "agent.yaml").write_text(text.replace("id: lobby", "id: annexe"))
    digest = hashlib.sha256(log.read_bytes()).digest()
    assert "belongs to gateway lobby, the configuration says annexe" in refused(office, "agent", "run")
    assert hashlib.sha256(log.read_bytes()).digest() == digest


def test_a_log_that_was_destroyed_is_kept_aside_and_the_building_guarded(office: Path) -> None:
    log = office / "data" / "log.db"
    with running(office, "agent", "run", "--config", "agent.yaml"):
        pass
    destroyed = b"once a database" + b"\0" * 4096
    log.write_bytes(destroyed)
    with running(office, "agent", "run", "--config", "agent.yaml"):
        pass
    (aside,) = (office / "data").glob("log.db.damaged-*")
    kept = aside if aside.is_file() else next(aside.glob("log.db"))
    assert kept.read_bytes() == destroyed
    assert rows(log, "SELECT count(*) FROM log WHERE kind = 'store.recovered'")[0][0] == 1


def change(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the product inside the block, READY; stopped in order at its end."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "nightporter", *words],
            cwd=folder,
            env={**os.environ, "NOTIFY_SOCKET": str(address), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# --- 4. records ------------------------------------------------------------------------------------------------------


async def test_records_nobody_knows_are_acknowledged_and_kept_as_they_came(tmp_path: Path) -> None:
    place = Place.found(tmp_path)
    config = place.configure()
    strange = json.dumps(
        {"id": "01935b2e-7c1f-7e3a-9d7e-0123456789ab", "kind": "lift.stuck", "wall": 1, "clock": "synced",
         "body": {"floor": 3, "müde": [1, None]}},
        ensure_ascii=False,
    ).encode()  # fmt: skip
    broken = b'{"id": "not an id", "kind": 7, "wall": "noon"'
    alarm = opened()
    async with outside(place, config) as relay, relay.local_gateway() as gateway:
        lane = gateway.lane("P1")
        lane.add(strange, broken)
        answer = await gateway.post("P1", lane.batch())
        assert answer.status_code == 200, answer.text
        assert answer.json()["seq"] == 2
        assert answer.json()["chain"] == lane.chain(2)
        (put_aside,) = answer.json()["quarantined"]
        assert put_aside["seq"] == 2 and put_aside["reason"]
        again = await gateway.post("P1", lane.batch())
        same = [{key: value for key, value in said.json().items() if key != "wall"} for said in (again, answer)]
        assert same[0] == same[1], "what is sent again is answered as before"
        await gateway.deliver("P0", alarm)
        status = nightporter("relay", "status", "--config", str(config), cwd=tmp_path)
        assert "1 records were put aside" in status.stdout
        assert "1 incidents open" in status.stdout
    kept = rows(place.folder / "cloud-1-data" / "relay.db", "SELECT kind, state, data, reason FROM record ORDER BY seq")
    by_data = {bytes(data): (kind, state, reason) for kind, state, data, reason in kept}
    assert by_data[strange][:2] == ("lift.stuck", "unknown")
    assert by_data[broken][1] == "quarantined" and by_data[broken][2] == put_aside["reason"]


# --- the town --------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One town for all that follows; it lives in a task of its own, since a fixture's two halves are two tasks."""
    directory = tmp_path_factory.mktemp("town")
    ready: asyncio.Future[Town] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def live() -> None:
        async with town(directory) as running_town:
            ready.set_result(running_town)
            await over.wait()

    living = asyncio.create_task(live(), name="town")
    waiting: set[asyncio.Future[Any]] = {living, ready}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if living.done():
        await living
    yield ready.result()
    over.set()
    await living
    assert processes_of(directory) == "", "processes are left running"


def processes_of(directory: Path) -> str:
    return subprocess.run(["pgrep", "-f", str(directory)], capture_output=True, text=True).stdout


GARBAGE = (
    b"\x00\xff\xfe\x80binary\x00",
    b"x" * 70_000,
    b"[" * 30_000,
    b'{"contact": "ajar", "temperature": "warm"}',
    b'{"contact": NaN, "temperature": NaN}',
    b'{"contact": 1e999, "temperature": 1e999}',
    b'{"contact": {"contact": false}, "temperature": []}',
    b'{"contact": null, "temperature": ' + b"9" * 6000 + b"}",
    b"",
    b'"\\ud800"',
)


@in_town
@pytest.mark.timeout(90)
async def test_garbage_from_the_broker_disturbs_nothing(place: Town) -> None:
    topics = ("building/server-room-door", "building/server-room-temp")
    rate, seconds = 200, 4
    door, siren = place.building.sensor("server-room-door"), place.building.siren("siren-1")
    began = time.monotonic()
    sent_before = door.n

    async def vandalise() -> None:
        broker = place.building.broker
        async with aiomqtt.Client(
            broker.host, broker.port, username=VANDAL, password=place.vandal, identifier="vandal"
        ) as client:
            for number in range(rate * seconds):
                topic = topics[number % 2]
                await client.publish(topic, GARBAGE[(number // 2) % len(GARBAGE)], qos=1)
                place.garbage[topic] = place.garbage.get(topic, 0) + 1
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))

    async with place.calm(seconds=2, lines=20, share=0.6):
        vandal = asyncio.create_task(vandalise(), name="vandal")
        waits = []
        for _ in range(3):
            await door.close()
            await until(lambda: not siren.sounding, what="silence")
            await asyncio.sleep(0.2)
            orders, opened_at = len(siren.commands), boot_now()
            await door.open()
            waits.append((await siren.commanded(orders + 1))[orders][0] - opened_at)
            assert not vandal.done() or len(waits) > 1, "the garbage stopped too early for this test"
        await vandal
        place.garbage_until = time.monotonic()
    assert sorted(waits)[0] < 100_000 and sorted(waits)[1] < 100_000, f"the siren waited: {waits} µs"
    await until(lambda: door.n in place.heard(), what="the door's last message")
    assert [n for n in place.heard() if n > sent_before] == list(range(sent_before + 1, door.n + 1))
    told = place.records("payload.rejected")
    assert sorted(body["source"] for body in told) == sorted(f"broker: {topic}" for topic in topics)
    assert all(len(body["reason"]) < 300 for body in told)
    async with place.calm(seconds=2, lines=2):
        pass


@in_town
@pytest.mark.timeout(150)
async def test_a_camera_that_does_not_deliver(place: Town) -> None:
    camera = place.building.camera()
    key = f"camera/{camera.name}"
    await place.untroubled(key)
    modes: tuple[tuple[Mode, str], ...] = (
        ("stalled", "stopped sending"), ("unauthorised", "401"), ("down", "cannot be reached"),
    )  # fmt: skip
    for mode, words in modes:
        async with place.calm(seconds=0, lines=25):
            await camera.mode(mode)
            await place.troubled(key, words)
        await place.pages_say("No picture from camera")
        await place.pages_say(words)
    incident = await place.alarm()
    await camera.mode("ok")
    await place.untroubled(key)
    assert "No picture from camera" not in await place.page(place.cloud)
    assert place.records("camera.restored")
    assert await place.sealed(incident) in ("no_footage", "camera_lost", "complete")
    for path in (place.log, *place.relays.values(), place.processes.agent.log_file, place.processes.media.log_file):
        assert camera.password.encode() not in path.read_bytes(), f"the camera's password stands in {path}"


@in_town
@pytest.mark.timeout(90)
async def test_the_media_worker_is_killed_in_the_middle_of_a_clip(place: Town) -> None:
    await asyncio.sleep(4)  # footage for the pre-roll
    incident = await place.alarm()
    await asyncio.sleep(3)
    media = place.processes.media
    await media.kill()
    await place.troubled("media")
    await place.pages_say("Nothing is being recorded")
    async with place.calm(seconds=0, lines=40):
        await media.start()
        assert await place.sealed(incident) == "worker_lost"
    ((clip, segments),) = rows(place.relays["cloud"], "SELECT id, segments FROM clip WHERE incident = ?", incident)
    assert segments >= 1, "the clip is short, not empty"
    assert await place.cloud.fetch(f"/clips/{clip}/segments/0")
    assert any("media worker" in body["reason"] for body in place.records("footage.gap"))
    gaps = rows(place.relays["cloud"], "SELECT data FROM record WHERE kind = 'footage.gap'")
    assert any("the media worker was stopped in the middle of a clip" in bytes(data).decode() for (data,) in gaps)
    await place.untroubled("media")
    await asyncio.sleep(4)
    assert await place.sealed(await place.alarm()) == "complete"


@in_town
@pytest.mark.timeout(120)
async def test_no_fsync_of_the_agent_works(place: Town, peer: Peer, capability: Capability, tmp_path: Path) -> None:
    strace = peer("strace")
    capability("strace on another process (ptrace)", may_trace(strace))
    door = place.building.sensor("server-room-door")
    told = len(place.told)
    async with fsync_fails(strace, place.processes.agent.pid, tmp_path):
        incidents = []
        async with place.calm(seconds=2, lines=15):
            for _ in range(2):
                incidents.append(await place.alarm())
        await place.troubled("store")
        await place.pages_say("The gateway cannot write its log.")
        await place.arrived(*incidents)
        await until(lambda: len(place.told) >= told + 2, what="two notifications")
    await until(lambda: place.records("store.restored"), what="store.restored", seconds=40)
    await once_and_in_order(place, last=door.n)
    await place.untroubled("store")
    assert "cannot write its log" not in await place.page(place.box)
    assert "I/O error" in place.records("store.failed")[0]["reason"]
    for incident in incidents:
        assert await place.sealed(incident) == "complete"
    await place.alarm()


async def once_and_in_order(place: Town, *, last: int) -> None:
    """Each message of the door is in the log once, in order; each relay has every lane whole, no fact twice."""
    await until(lambda: place.heard()[-1:] == [last], what=f"message {last} of the door in the log")
    assert place.heard() == list(range(1, last + 1))
    for relay, path in place.relays.items():
        await until(partial(whole, place, path), what=f"everything at {relay}", seconds=40)
        twice = "SELECT fact FROM record WHERE fact IS NOT NULL AND state = 'applied' GROUP BY fact HAVING count(*) > 1"
        assert rows(path, twice) == []
        assert rows(path, "SELECT what, subject FROM integrity") == []
        ours = rows(place.log, "SELECT bytes FROM log WHERE lane = 'P0' ORDER BY pos")
        entries = {bytes(data) for (data,) in rows(path, "SELECT data FROM entry")}
        assert {bytes(data) for (data,) in ours} <= entries


def whole(place: Town, relay: Path) -> bool:
    """Whether a relay has every lane of the gateway up to its end."""
    held = dict(rows(relay, "SELECT lane, seq FROM lane"))
    return all(held.get(lane, 0) >= seq for lane, seq in rows(place.log, "SELECT lane, seq FROM lane WHERE seq > 0"))


@in_town
@pytest.mark.timeout(120)
async def test_the_media_disk_is_full(place: Town, capability: Capability) -> None:
    capability("mounting a small file system (root)", place.disks)
    media = place.gateway / "media"
    key = f"disk/{media}"
    await asyncio.sleep(4)
    with filled(media):
        async with place.calm(seconds=0, lines=40):
            incident = await place.alarm()
            await place.arrived(incident)
            await place.troubled(key)
            await place.pages_say("The gateway's disk is nearly full.")
            assert await place.sealed(incident) == "disk_full"
    await place.untroubled(key)
    assert any("no room" in body["reason"] for body in place.records("footage.gap"))
    await until(lambda: place.records("storage.ample"), what="storage.ample")  # until then clips are refused
    assert await place.sealed(await place.alarm()) == "complete"


@in_town
@pytest.mark.timeout(120)
async def test_the_data_disk_is_full(place: Town, capability: Capability) -> None:
    capability("mounting a small file system (root)", place.disks)
    await place.processes.agent.stop()  # which empties the write-ahead log: its old pages could be written again
    await place.processes.agent.start()
    await until(lambda: "broker.connected" in place.processes.agent.log_file.read_text().rpartition("agent.ready")[2],
                what="the broker")  # fmt: skip
    data = place.gateway / "data"
    await until(lambda: (data / "log.ballast").exists(), what="the ballast")
    restored, told = len(place.records("store.restored")), len(place.told)
    released = len(place.records("ballast.released"))
    door = place.building.sensor("server-room-door")
    with filled(data):
        incidents = []
        async with place.calm(seconds=2, lines=20):
            for _ in range(2):
                incidents.append(await place.alarm())
        await place.troubled("store", "no room left to write")
        await place.pages_say("The gateway cannot write its log.")
        await place.arrived(*incidents)
        await until(lambda: len(place.told) >= told + 2, what="two notifications")
    await until(lambda: len(place.records("store.restored")) > restored, what="store.restored", seconds=40)
    await once_and_in_order(place, last=door.n)
    assert len(place.records("ballast.released")) == released + 1, "it was given up first, and taken by the same thief"
    for key in ("store", "ballast", f"disk/{data}"):
        await place.untroubled(key)
    for incident in incidents:
        assert await place.sealed(incident) == "complete"


# --- 2. certificates -------------------------------------------------------------------------------------------------


def _wrong(kind: str, place: Town, folder: Path) -> None:
    """Put an identity that is wrong in this way where the gateway's or the relay's is."""
    ca = open_authority(place.estate.directory / "ca")
    gateway = Identity(trust_domain=ca.trust_domain, tenant=TENANT, site=SITE, gateway=GATEWAY)
    key = new_key()
    if kind == "foreign":
        other = found(folder / "other-ca", trust_domain=ca.trust_domain, passphrase=None)
        issued = other.issue(profiles.gateway(gateway), key.public_key())
    elif kind == "expired":
        issued = ca.issue(profiles.gateway(gateway, lifetime=timedelta(seconds=-30)), key.public_key())
    else:
        issued = ca.issue(profiles.relay(("elsewhere.example",)), key.public_key())
    where = place.estate.cloud / "identity" if kind == "other name" else place.gateway / "identity" / "cloud"
    where.rename(where.with_name(where.name + ".good"))
    keystore.install(where, key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust)


@in_town
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("foreign", "was signed by a CA this end does not"),
        ("expired", "expired at "),
        ("other name", "is for another address"),
    ],
)
async def test_a_wrong_certificate(place: Town, tmp_path: Path, kind: str, cause: str) -> None:
    process = place.processes.cloud if kind == "other name" else place.processes.agent
    where = place.estate.cloud / "identity" if kind == "other name" else place.gateway / "identity" / "cloud"
    await place.untroubled("outlet/cloud")
    lost = len(place.records("outlet.lost"))
    _wrong(kind, place, tmp_path)
    try:
        await process.stop()
        await process.start()
        await until(lambda: len(place.records("outlet.lost")) > lost, what="outlet.lost", seconds=30)
        async with place.calm(seconds=4, lines=16):
            incident = await place.alarm()
        await place.troubled("outlet/cloud", cause, relays=("box",))
        said = place.records("outlet.lost")[lost:]
        assert {body["outlet"] for body in said} == {"cloud"}
        assert cause in said[-1]["reason"] and len(said) <= 2, said
        assert "The gateway cannot reach" in await place.page(place.box)
        assert incident not in place.incidents("cloud")
    finally:
        for path in sorted(where.rglob("*"), reverse=True):
            path.unlink() if path.is_symlink() or path.is_file() else path.rmdir()
        where.rmdir()
        where.with_name(where.name + ".good").rename(where)
        await process.stop()
        await process.start()
    await place.arrived(incident)
    await place.untroubled("outlet/cloud")


# --- and at the end --------------------------------------------------------------------------------------------------


@in_town
@pytest.mark.timeout(120)
async def test_every_unreadable_message_was_counted_and_nothing_was_lost(place: Town) -> None:
    if place.garbage:
        await asyncio.sleep(max(0.0, place.garbage_until + 75 - time.monotonic()))
        for topic, sent in place.garbage.items():
            await until(partial(counted, place, topic, sent), what=f"the count of {topic}", seconds=15)
            assert len(reported(place, topic)) <= 3, "once a minute at most, and what was left when the agent stopped"
    await once_and_in_order(place, last=place.building.sensor("server-room-door").n)
    for process in (place.processes.agent, place.processes.media, place.processes.cloud, place.processes.box):
        assert "Traceback" not in process.log_file.read_text(errors="replace"), process.name


def reported(place: Town, topic: str) -> list[int]:
    """How many messages of a topic each report tells as unreadable."""
    return [body["count"] for body in place.records("payload.rejected") if body["source"] == f"broker: {topic}"]


def counted(place: Town, topic: str, sent: int) -> bool:
    return sum(reported(place, topic)) == sent
