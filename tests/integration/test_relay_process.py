"""The relay as a process: how it starts, what it says when it cannot, how it stops, and what kill -9 leaves."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from relay import listeners
from relay.context import RelayContext
from relay.peer import Peer
from rules import wire
from tests.integration.relay_rig import ROOT, Place, contact, inside, opened, outside


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


def relay_command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "nightporter.py"), "relay", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


async def test_kill_9_at_random_moments_loses_and_doubles_nothing(place: Place) -> None:
    config = place.configure()
    chance = random.Random(3)
    account = None
    epoch = None
    acknowledged = 0
    for _ in range(4):
        async with outside(place, config) as relay, relay.gateway() as gateway:
            if account is None:
                epoch = gateway.epoch
                account = gateway.lane("P0")
            gateway.epoch = epoch or gateway.epoch
            marks = (await gateway.http.get("/v1/lanes", params={"epoch": epoch})).json()["lanes"]
            seq = marks.get("P0", {"seq": 0})["seq"]
            # Everything acknowledged is still there; what was not may be, whole.
            assert acknowledged <= seq <= len(account.records)
            if seq:
                assert marks["P0"]["chain"] == account.chain(seq)
            assert relay.process is not None
            asyncio.get_running_loop().call_later(chance.uniform(0.05, 0.4), relay.process.kill)
            try:
                while True:
                    account.add(*(opened(policy="guards") for _ in range(chance.randint(1, 4))))
                    answer = await gateway.post("P0", account.batch(seq + 1))
                    seq = acknowledged = answer.json()["seq"]
            except httpx.TransportError:
                pass
            await relay.process.wait()
    assert account is not None
    assert acknowledged > 20
    async with outside(place, config) as relay, relay.gateway() as gateway:
        marks = (await gateway.http.get("/v1/lanes", params={"epoch": epoch})).json()["lanes"]
        answer = await gateway.post("P0", account.batch(marks["P0"]["seq"] + 1))
        assert answer.json()["seq"] == len(account.records)
    status = json.loads(relay_command("status", "--config", str(config), "--json").stdout)
    assert status["gateways"][0]["lanes"] == {"P0": len(account.records)}
    assert status["incidents_open"] == len(account.records)
    assert status["records_put_aside"] == 0


async def test_sigterm_ends_it_with_an_open_feed(place: Place) -> None:
    streaming = asyncio.Event()

    def pages(context: RelayContext) -> Starlette:
        async def feed(request: Request) -> StreamingResponse:
            async def lines() -> AsyncIterator[bytes]:
                with context.changes.subscribe() as subscription:
                    yield b": hello\n\n"
                    while (change := await subscription.next(15)) is not None:
                        yield f"data: {sorted(change.incidents)}\n\n".encode()

            return StreamingResponse(lines(), media_type="text/event-stream")

        return Starlette(routes=[Route("/feed", feed)])

    async def follow(http: httpx.AsyncClient) -> list[str]:
        seen = []
        async with http.stream("GET", "/feed") as response:
            async for line in response.aiter_lines():
                seen.append(line)
                streaming.set()
        return seen

    async with inside(place, pages=pages) as relay, relay.people() as http, relay.gateway() as gateway:
        following = asyncio.create_task(follow(http))
        await streaming.wait()
        first = opened()
        await gateway.deliver("P0", first)
        async with gateway.channel():
            began = time.monotonic()
            os.kill(os.getpid(), signal.SIGTERM)
            seen = await following
            assert time.monotonic() - began < 4
        assert f"data: ['{first.incident}']" in seen


async def test_it_stops_within_four_seconds_with_connections_open(place: Place) -> None:
    async with outside(place) as relay, relay.gateway() as gateway, gateway.channel():
        await gateway.deliver("P1", contact(True))
        assert relay.process is not None
        began = time.monotonic()
        relay.process.terminate()
        assert await relay.process.wait() == 0
        assert time.monotonic() - began < 4.5


async def test_it_tells_systemd(place: Place, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)
        async with outside(place, NOTIFY_SOCKET=address, WATCHDOG_USEC="400000"):
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(5):
                said = {await loop.sock_recv(manager, 100) for _ in range(3)}
            assert said == {b"READY=1", b"WATCHDOG=1"}


async def test_the_first_start_prints_a_code_once_nobody_has_an_account(place: Place) -> None:
    config = place.configure()
    words = [sys.executable, str(ROOT / "nightporter.py"), "relay", "run", "--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=place.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        printed = (await process.stdout.readline()) + (await process.stdout.readline())
    process.terminate()
    _, logged = await process.communicate()
    code = printed.decode().split()[-1]
    assert "/setup" in printed.decode()
    assert code.count("-") == 4
    assert code not in logged.decode()


async def test_monitors_get_what_is_theirs(place: Place) -> None:
    place.secret("metrics", "a-long-token-for-monitoring")
    config = place.configure()
    config.write_text(config.read_text().replace("people: {", "people: {metrics_token: {secret: metrics}, "))
    async with inside(place, config) as relay, relay.gateway() as gateway, relay.people() as http:
        await gateway.deliver("P1", contact(True))
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/readyz")).json() == {"ready": True, "failing": {}}
        shown = (await http.get("/metrics")).text
        assert 'nightporter_relay_records_total{lane="P1"} 1.0' in shown
        proxied = {"x-forwarded-for": "203.0.113.9"}
        assert (await http.get("/metrics", headers=proxied)).status_code == 401
        assert (await http.get("/readyz", headers=proxied)).text == "ready\n"
        wrong = proxied | {"authorization": "Bearer no"}
        assert (await http.get("/metrics", headers=wrong)).status_code == 401
        right = proxied | {"authorization": "Bearer a-long-token-for-monitoring"}
        assert (await http.get("/metrics", headers=right)).status_code == 200
        for listener in ("/openapi.json", "/docs", "/v1/lanes"):
            assert (await http.get(listener)).status_code == 404
        for path in ("/healthz", "/metrics", "/"):
            assert (await gateway.http.get(path)).status_code == 404


async def test_without_a_certificate_nobody_gets_in_and_the_reason_is_counted(place: Place) -> None:
    async with inside(place) as relay:
        address = next(one for one in relay.addresses if one.what == "gateways" and one.port)
        trust = place.folder / "relay-identity" / "trust.pem"
        trusting = ssl.create_default_context(cafile=trust)
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as http:
            with pytest.raises(httpx.TransportError):
                await http.get(f"https://127.0.0.1:{address.port}/v1/lanes")
        assert relay.relay is not None
        assert b'reason="no_certificate"} 1.0' in relay.relay.metrics.text()


def test_one_process_per_database(place: Place) -> None:
    async def two() -> None:
        config = place.configure()
        async with inside(place, config):
            again = await asyncio.to_thread(relay_command, "run", "--config", str(config))
            assert again.returncode == 75
            assert "another relay process" in again.stderr

    asyncio.run(two())


def test_a_taken_port_is_a_sentence(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = place.configure()
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("people: {host: 127.0.0.1, port: 0", f"people: {{port: {port}"))
        answer = relay_command("run", "--config", str(config))
    assert answer.returncode == 75
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in answer.stderr


WRONG = {
    "colour: red": (":14:1: colour: is not a known key", ""),
    "people: {host: 0.0.0.0, port: 1}": ("plain HTTP on 0.0.0.0", "people: {host: 127.0.0.1, port: 0"),
    "identity: nowhere": ("nothing is installed", "identity: relay-identity"),
    "relay: {id: UPPER, name: x}": ("relay.id", "relay: {id: cloud-1, name: Night desk}"),
    "data: [": ("this is not YAML", "data: cloud-1-data"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_in_the_configuration_exits_78_with_a_sentence(place: Place, mistake: str) -> None:
    config = place.configure()
    said, instead = WRONG[mistake]
    text = config.read_text()
    if instead:
        assert instead in text
        rest = ", public_url: http://127.0.0.1:8080}" if instead.startswith("people") else ""
        text = text.replace(instead + rest, mistake)
    else:
        text += "\n" + mistake
    config.write_text(text)
    for verb in ("check", "run"):
        answer = relay_command(verb, "--config", str(config))
        assert answer.returncode == 78, answer.stderr
        assert said.split(":", 2)[-1] in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_secret_that_others_can_read_exits_78(place: Place) -> None:
    place.secret("hook", "value-of-the-secret")
    config = place.configure(
        more='notify: {policies: {guards: [{channel: webhook, name: desk, url: "https://desk.example/", '
        "secret: {secret: hook}}]}}"
    )
    assert relay_command("check", "--config", str(config)).returncode == 0
    (place.folder / "secrets" / "hook").chmod(0o644)
    answer = relay_command("check", "--config", str(config))
    assert answer.returncode == 78
    assert "chmod 600" in answer.stderr
    assert "value-of-the-secret" not in answer.stderr
    (place.folder / "secrets" / "hook").unlink()
    assert relay_command("check", "--config", str(config)).returncode == 78


async def test_a_renewed_certificate_is_shown_after_sighup(place: Place) -> None:
    from certs import profiles

    async with inside(place) as relay:
        address = next(one for one in relay.addresses if one.what == "gateways" and one.port)
        tls = place.gateway_tls("gw-1")

        async def shown() -> int:
            _, writer = await asyncio.open_connection("127.0.0.1", address.port, ssl=tls, server_hostname="127.0.0.1")
            serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
            writer.transport.abort()
            return serial

        before = await shown()
        place.issue("relay-identity", profiles.relay(("127.0.0.1",)))
        assert await shown() == before
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.1)
        assert await shown() != before


async def test_who_drips_a_request_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "HEAD_SECONDS", 0.2)
    async with inside(place) as relay:
        address = next(one for one in relay.addresses if one.what == "people")
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        writer.close()
        async with relay.people() as http:
            for _ in range(3):
                assert (await http.get("/healthz")).status_code == 200
                await asyncio.sleep(0.3)  # an idle connection between requests is no drip


async def test_no_connection_waits_for_a_full_packet() -> None:
    """TCP_NODELAY on what a TCP listener accepts: without it an answer may take 40 ms longer."""
    set_at_accept: list[int] = []

    def identify(transport: asyncio.BaseTransport) -> Peer:
        accepted = transport.get_extra_info("socket")
        set_at_accept.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return Peer(tenant="acme", site="hq", gateway="gw-1")

    server = listeners.server(app=Starlette(), identify=identify)
    listening = listeners.bind_tcp("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="serve")
    await server.serving.wait()
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    server.should_exit = True
    await serving
    assert set_at_accept == [1]


def test_the_engine_and_the_agent_are_not_loaded() -> None:
    script = (
        "import sys; import relay.app, relay.cli, relay.web.routes\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('agent', 'hwlab', 'av', 'cv2') or m == 'rules.engine']\n"
        "allowed = {'wire', 'events', 'incidents', 'actions', 'ids', 'errors', 'timetable', 'document'}\n"
        "allowed |= {'quick', 'units'}  # how a frozen fact is made, and what a second is\n"
        "bad += [m for m in sys.modules if m.startswith('rules.') and m.split('.')[1] not in allowed]\n"
        "print(bad); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wire_constants_are_what_the_listener_enforces() -> None:
    assert wire.MAX_BATCH_BYTES == 4 * 1024 * 1024
