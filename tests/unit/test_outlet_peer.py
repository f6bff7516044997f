"""Where a relay is: a URL with an identity, or a socket, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import OutletError
from agent.outlets.peer import Peer


def test_addresses() -> None:
    remote = Peer.of(name="cloud", url="https://relay.example:8443/", identity=Path("i"), socket=None)
    assert (remote.http, remote.websocket) == ("https://relay.example:8443", "wss://relay.example:8443")
    local = Peer.of(name="box", url=None, identity=None, socket=Path("/run/relay.sock"))
    assert (local.http, local.websocket, local.where) == ("http://relay", "ws://relay", "/run/relay.sock")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"url": "https://r"},
        {"identity": Path("i")},
        {"socket": Path("s"), "identity": Path("i")},
        {"url": "https://r", "identity": Path("i"), "socket": Path("s")},
        {"url": "http://r", "identity": Path("i")},
    ],
)
def test_anything_else_is_a_mistake(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="outlet cloud"):
        Peer(name="cloud", **values)  # type: ignore[arg-type]


async def test_a_missing_identity_is_a_sentence(tmp_path: Path) -> None:
    peer = Peer(name="cloud", url="https://r", identity=tmp_path / "none")
    with pytest.raises(OutletError, match="holds no identity"):
        await peer.context()
    assert await Peer(name="box", socket=tmp_path / "s").context() is None
