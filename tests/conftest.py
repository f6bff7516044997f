"""What every test may ask for: how much effort is wanted, and programs that are not ours.

A missing *package* is a skip on a laptop and a failure in CI, where `make peers` has installed it. A missing
*capability* (root, loop devices, namespaces) is a skip by name everywhere.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests import leftovers

# A slow or busy machine is no failure: how long an example takes is never what a property is about.
settings.register_profile("nightporter", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nightporter")

EFFORTS = ("quick", "ci", "long")
# The Debian package that brings each program, for the sentence that says what to install.
PACKAGES = {
    "chromium": "chromium",
    "mosquitto": "mosquitto",
    "faketime": "faketime",
    "mkfs.btrfs": "btrfs-progs",
    "openssl": "openssl",
    "strace": "strace",
    "systemd-analyze": "systemd",
}


def _effort() -> str:
    return os.environ.get("EFFORT", "quick")


def pytest_configure(config: pytest.Config) -> None:
    if _effort() not in EFFORTS:
        raise pytest.UsageError(f"EFFORT={_effort()} is unknown; choose one of {', '.join(EFFORTS)}")
    leftovers.mark()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Before the last line: what tests left running is ended, named, and fails the run."""
    programs, threads = leftovers.programs(), leftovers.threads()
    leftovers.end(programs)
    for what in [*programs.values(), *(f"thread {name}" for name in threads)]:
        terminalreporter.write_line(f"LEFT BEHIND by a test: {what}", red=True)
    session = terminalreporter._session
    if (programs or threads) and session is not None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A thread that is left would be waited for, for ever."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if leftovers.threads() and reporter is not None and reporter._session is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(reporter._session.exitstatus))


def pytest_report_header(config: pytest.Config) -> str:
    return f"effort: {_effort()}" + (", CI: missing packages are failures" if _in_ci() else "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _effort() == "long":
        return
    skip = pytest.mark.skip(reason="takes minutes: runs with EFFORT=long (make long)")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def effort() -> str:
    """`quick`, `ci` or `long`."""
    return _effort()


@pytest.fixture(scope="session")
def pick(effort: str) -> Callable[..., int]:
    """`pick(quick=20, ci=60)` is the number for this run; what is not given is as the next smaller effort."""

    def pick(*, quick: int, ci: int | None = None, long: int | None = None) -> int:
        ci = quick if ci is None else ci
        return {"quick": quick, "ci": ci, "long": ci if long is None else long}[effort]

    return pick


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """`peer("mosquitto")` is the path of a program that is not ours, or a skip, or in CI a failure."""

    def peer(name: str) -> str:
        # Debian keeps daemons where an ordinary user's PATH does not look.
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
        if found is not None:
            return found
        sentence = f"{name} is not installed (Debian package {PACKAGES.get(name, name)}; make peers installs it)"
        if _in_ci():
            pytest.fail(sentence)
        pytest.skip(sentence)

    return peer


@pytest.fixture(scope="session")
def capability() -> Callable[[str, bool], None]:
    """`capability("root", os.geteuid() == 0)` skips by name where this machine cannot do it."""

    def capability(name: str, present: bool) -> None:
        if not present:
            pytest.skip(f"this machine or user lacks: {name}")

    return capability


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
