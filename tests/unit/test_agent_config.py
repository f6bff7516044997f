"""`agent.yaml` and secrets: every mistake has its place and says what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agent.cli import main
from agent.config.load import Secrets, load_config
from agent.errors import ConfigError

HEAD = "gateway: {tenant: demo, site: hq, id: lobby}\npaths: {data: d, media: m, secrets: s, run: r}\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "agent.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            HEAD + "broker: {host: h, port: 1, prot: 1}\n",
            "FILE:3:28: broker.prot: is not a known key here (known: name, host, port, user, password, tls, flood);"
            " did you mean port?",
            id="unknown key",
        ),
        pytest.param(HEAD + "brokr: {}\n", "FILE:3:1: brokr: is not a known key here", id="unknown section"),
        pytest.param(
            "gateway: {tenant: demo\n  site\n",
            "FILE:3:1: this is not YAML: expected ',' or '}', but got '<stream end>'",
            id="broken",
        ),
        pytest.param("\tb: 1", "FILE:1:1: this is not YAML: a tab stands here", id="tab"),
        pytest.param("a: &x [*x]\n", "FILE:1:8: *x refers to another place; write it out instead", id="alias"),
        pytest.param("", "FILE:1:1: gateway is missing\nFILE:1:1: paths is missing", id="empty"),
        pytest.param(
            HEAD.replace("lobby", "Lobby"),
            "FILE:1:39: gateway.id: 'Lobby' is not a name; use small letters, digits and single hyphens,"
            " as in server-room-door",
            id="name",
        ),
        pytest.param(
            HEAD + "broker: {host: h, port: 0}\n",
            "FILE:3:25: broker.port: 0 is out of range: it must be at least 1",
            id="port",
        ),
        pytest.param(
            HEAD + "broker: {host: h, port: 1, password: hunter2-in-clear}\n",
            "FILE:3:38: broker.password: a secret is only named here, {secret: NAME}; its value is set on the machine"
            " itself",
            id="password in the file",
        ),
        pytest.param(
            HEAD + "outlets:\n  - {name: a, url: 'https://x:1'}\n",
            "FILE:4:5: outlets.0: outlet a: identity goes with url or bundle, and only with them",
            id="url without identity",
        ),
        pytest.param(
            HEAD + "outlets:\n  - {name: a}\n",
            "FILE:4:5: outlets.0: outlet a: give one of url (with identity), socket, or bundle (with identity)",
            id="no way",
        ),
        pytest.param(
            HEAD + "outlets:\n  - {name: a, socket: x}\n  - {name: a, socket: y}\n",
            "FILE:1:1: two outlets are called a",
            id="twice",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = str(caught.value).replace(str(path), "FILE")
    assert told.startswith(sentence)
    assert "hunter2" not in told


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"configuration .*none\.yaml does not exist"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(written(tmp_path, b"gateway: \xff"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(
        written(
            tmp_path,
            HEAD + "broker: {host: h, port: 1, tls: {ca: ca.pem}}\n"
            "outlets:\n  - {name: box, socket: run/box.sock}\n  - {name: cloud, url: 'https://c:1', identity: id}\n",
        )
    )
    assert config.paths.data == tmp_path / "d"
    assert config.broker is not None and config.broker.tls is not None
    assert config.broker.tls.ca == tmp_path / "ca.pem"
    assert [outlet.socket for outlet in config.outlets] == [tmp_path / "run/box.sock", None]
    assert config.outlets[1].identity == tmp_path / "id"


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(directory=tmp_path / "secrets")
    with pytest.raises(ConfigError, match="secret mqtt is not set; set it with: nightporter agent secret set mqtt"):
        secrets.get("mqtt")
    secrets.set("mqtt", "hunter2\n\n")
    path = tmp_path / "secrets" / "mqtt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert secrets.get("mqtt") == "hunter2\n", "only the last newline is the editor's"
    assert os.listdir(path.parent) == ["mqtt"]
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"secret mqtt: .* can be read by others; chmod 600"):
        secrets.get("mqtt")
    with pytest.raises(ConfigError, match=r"'\.\./x' is not a name for a secret"):
        secrets.set("../x", "v")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt").write_text("from-systemd")
    (credentials / "mqtt").chmod(0o440)  # an ACL of systemd's looks like this
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert secrets.get("mqtt") == "from-systemd"


def test_check_is_78_for_configuration_and_names_the_missing_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, HEAD + "broker: {host: h, port: 1, password: {secret: mqtt}}\n")
    assert main(["check", "--config", str(path)]) == 78
    assert "secret mqtt is not set" in capsys.readouterr().err
    Secrets(directory=tmp_path / "s").set("mqtt", "canary-7")
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr()
    assert "agent.yaml: good (gateway lobby of hq, 0 outlets)" in said.out
    assert "canary-7" not in said.out + said.err
    assert main(["check", "--config", str(tmp_path / "none.yaml")]) == 78


def test_status_before_the_first_run_is_try_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(written(tmp_path, HEAD))]) == 75
    assert "the agent has not run here" in capsys.readouterr().err
