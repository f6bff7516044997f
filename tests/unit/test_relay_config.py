"""relay.yaml: every mistake has its place, every path its folder, every secret its owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import SocketGateways, TcpGateways, read_config, read_secrets
from relay.errors import ConfigError

GOOD = """\
relay: {id: cloud-1, name: Night desk}
data: data
listeners:
  gateways:
    - {host: 127.0.0.1, port: 8443, identity: identity, trust_domain: np.example}
    - {socket: run/relay.sock, uid: [0, 998], gateway: {tenant: acme, site: hq, id: gw-1}}
  people: {host: 127.0.0.1, port: 8080, public_url: "https://relay.example/"}
notify:
  give_up_after: 2h
  policies:
    guards:
      - {channel: webhook, name: desk, url: "https://desk.example/hook", secret: {secret: desk-hook}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "relay.yaml"
    path.write_text(text)
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as found:
        read_config(written(folder, text))
    return str(found.value)


def test_paths_count_from_the_files_own_folder(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    tcp, local = config.listeners.gateways
    assert isinstance(tcp, TcpGateways)
    assert isinstance(local, SocketGateways)
    assert tcp.identity == tmp_path / "identity"
    assert local.socket == tmp_path / "run/relay.sock"
    assert config.blobs_directory == tmp_path / "data/blobs"
    assert config.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/relay.db"
    assert config.listeners.people.public_url == "https://relay.example"
    assert config.notify.give_up_after == 7_200_000_000
    assert config.notify.old_after == 600_000_000
    assert config.notify.own_policy == "guards"
    assert config.blobs.keeps


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("port: 8080", "prot: 8080", ":7:29: listeners.people.prot: is not a known key"),
        ("127.0.0.1, port: 8080", "192.0.2.1, port: 8080", "plain HTTP on 192.0.2.1 would send passwords"),
        ("https://desk.example", "http://desk.example", "http:// to desk.example can be read on the way"),
        ("https://desk.example", "https://user:word@desk.example", "no user or password in the url"),
        ("https://desk.example/hook", "ftp://desk.example", "not an http or https address"),
        ("give_up_after: 2h", "own: nobody", "there is no policy nobody; there is guards"),
        ("data: data", "data: data\nblobs: {read_only: true}", "read_only needs the directory"),
        ("data: data", "data: data\ndatabase: {url: 'mysql://x'}", "write sqlite+aiosqlite:///PATH"),
        ("data: data\n", "", ":1:1: data is missing"),
        ("uid: [0, 998]", "uid: []", "uid"),
        ("id: cloud-1", "id: Cloud 1", "relay.id"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in GOOD
    found = complaint(tmp_path, GOOD.replace(was, becomes))
    assert said in found
    assert found.startswith(f"{tmp_path}/relay.yaml:")
    assert "word@" not in found


def test_http_is_fine_on_this_machine_or_when_it_is_meant(tmp_path: Path) -> None:
    read_config(written(tmp_path, GOOD.replace("https://desk.example", "http://127.0.0.1:9")))
    read_config(written(tmp_path, GOOD.replace('https://desk.example/hook"', 'http://desk.lan/", plain: true')))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "relay.yaml")


def test_secrets_are_read_from_files_only_their_owner_reads(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    with pytest.raises(ConfigError, match="desk-hook cannot be read"):
        read_secrets(config)
    (tmp_path / "secrets").mkdir()
    path = tmp_path / "secrets" / "desk-hook"
    path.touch(mode=0o600)
    with pytest.raises(ConfigError, match="is empty"):
        read_secrets(config)
    path.write_text("quiet-value\n")
    secrets = read_secrets(config)
    assert secrets.get("desk-hook") == b"quiet-value"
    assert repr(secrets) == "Secrets(desk-hook)"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600") as found:
        read_secrets(config)
    assert "quiet-value" not in str(found.value)
    assert "'../desk-hook' is not a name" in complaint(tmp_path, GOOD.replace("desk-hook", "../desk-hook"))
