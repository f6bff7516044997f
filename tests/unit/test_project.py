"""The project's own files: what is installed, and locks that name neither a registry nor a machine."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("agent", "media", "relay", "lab", "dev", "bench", "mutation")
# These stand apart in environments of their own: what only they bring is tested by nothing.
APART = ("bench", "mutation")
find_packages = importlib.import_module("setuptools").find_packages  # it has no types of its own
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, str]:
    """name -> version (or versions, with their markers) of every requirement in a lock."""
    text = (ROOT / f"requirements-{lock}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_only_the_five_folders_are_installed() -> None:
    find = PROJECT["tool"]["setuptools"]["packages"]["find"]
    found = find_packages(str(ROOT), include=find["include"])
    assert {name.partition(".")[0] for name in found} == {"agent", "certs", "hwlab", "relay", "rules"}
    for package in found:
        assert "-" not in package


def test_every_file_beside_the_code_is_installed_with_it() -> None:
    """A migration, template or schema that no pattern names would be missing in every installation but this one."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    find = PROJECT["tool"]["setuptools"]["packages"]["find"]
    packages = [ROOT / name.replace(".", "/") for name in find_packages(str(ROOT), include=find["include"])]
    carried = {path for package in packages for pattern in patterns for path in package.glob(pattern)}
    carried |= {path for package in packages for path in package.glob("*.py")}
    missing = [
        str(path.relative_to(ROOT))
        for folder in ("agent", "certs", "hwlab", "relay", "rules")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path not in carried and path.suffix not in (".md", ".pyc")
    ]
    assert not missing, "no pattern of package-data in pyproject.toml takes these along"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / f"requirements-{lock}.lock").read_text()
    assert "://" not in text
    assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|opt|usr)/", text)
    requirements = re.findall(r"^[a-z0-9-]+==.*(?:\n    .*)*", text, re.MULTILINE)
    assert requirements
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"^-e|^\.|^--(?:extra-)?index-url|^--find-links", text, re.MULTILINE)


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock != "dev"])
def test_what_is_tested_is_what_runs(lock: str) -> None:
    tested = pins("dev")
    own = {name: version for name, version in pins(lock).items() if lock not in APART or name in tested}
    different = {name: version for name, version in own.items() if tested.get(name) != version}
    assert not different, "make locks compiles them together"


def test_a_gateway_installs_no_web_server_and_a_relay_no_codec() -> None:
    assert not {"fastapi", "uvicorn", "sqlalchemy", "jinja2", "av", "numpy"} & set(pins("agent"))
    assert not {"av", "numpy", "aiomqtt", "paho-mqtt"} & set(pins("relay"))
    assert not {"setuptools", "pytest"} & {*pins("agent"), *pins("media"), *pins("relay")}


@pytest.mark.parametrize("extra", ["agent", "media", "relay", "lab", "build", "dev", "bench", "mutation"])
def test_every_requirement_of_an_extra_is_in_its_lock(extra: str) -> None:
    wanted = [
        re.split(r"[\[<>=!~ ;]", requirement)[0].lower().replace("_", "-")
        for requirement in [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"][extra]]
        if not requirement.startswith("nightporter[")
    ]
    locked = pins("lab" if extra == "build" else extra)
    assert not [name for name in wanted if name not in locked]


def test_the_licence_is_the_one_that_is_named() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_keys_and_environments_are_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.venv/", "*.pem", "/uv.lock", "__pycache__/"} <= set(ignored)
