"""The arrows between the folders, drawn from the imports themselves. A wrong one is named with its file and line.

hwlab, rules, certs -> nothing of ours        agent, relay -> rules, certs        agent and relay never each other
agent: ground <- store <- devices, effects, outlets, channel <- pipeline <- app <- cli
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("agent", "certs", "hwlab", "relay", "rules")
ALSO_OURS = (*OURS, "nightporter", "tests")
MAY_IMPORT = {"agent": ("rules", "certs"), "relay": ("rules", "certs"), "rules": (), "certs": (), "hwlab": ()}

# The relay is thin: it reads what the kernel says and never decides.
RELAY_READS = ("wire", "events", "incidents", "actions", "ids", "errors", "timetable", "document")
# The kernel has no I/O and no clock: what happens and when is told to it.
NOT_IN_RULES = (
    "aiosqlite", "asyncio", "av", "cv2", "httpx", "logging", "numpy", "random", "secrets", "selectors", "socket",
    "sqlalchemy", "sqlite3", "structlog", "subprocess", "threading", "time",
)  # fmt: skip
# All that the kernel may take from other people, and where: what comes in as text or bytes is checked at the border.
FROM_OTHERS = {"pydantic": ("rules.wire", "rules.document", "rules.scenario"), "yaml": ("rules.document",)}
CLOCKS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "uuid.uuid1", "uuid.uuid4")
OPENING = ("open", "io.open", "os.open", "Path", "pathlib.Path")
# What would cost the alarm core its start, its memory or its quiet.
NOT_IN_CORE = ("av", "cv2", "numpy", "aiortc", "fastapi", "starlette", "uvicorn", "sqlalchemy", "jinja2")

# Each module of the agent stands on a floor and sees its own floor and those below.
_GROUND = "errors fault clock drift floor log config failpoints memory sdnotify supervisor intake health"
_CORE = "pipeline decider writer journal readings rows keeper replay recovery commit backlog disks upkeep timekeeper"
FLOORS: dict[str, int] = {
    **dict.fromkeys(_GROUND.split(), 0),
    "store": 1,
    **dict.fromkeys(("devices", "effects", "outlets", "channel", "retention"), 2),
    **dict.fromkeys(_CORE.split(), 3),
    **dict.fromkeys(("app", "followers", "retirement"), 4),
    "cli": 5,
}
# The media worker is another process: the core sees its link and the messages on it, the worker sees the ground.
LINK = ("video", "video.link", "video.messages")
WORKER = "video.worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """`module` (in `file`, at `line`) imports `target`; `lazy` inside a function."""

    file: str
    line: int
    module: str
    target: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.module} imports {self.target}"


def modules(root: Path) -> dict[str, Path]:
    """Every module of ours below `root` by its dotted name."""
    found: dict[str, Path] = {}
    for package in OURS:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(root: Path, module: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """Every import in a file, also inside functions and through `importlib`."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    lazy = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        for target in _targets(node, package, known):
            yield Import(
                file=str(path.relative_to(root)),
                line=getattr(node, "lineno", 0),
                module=module,
                target=target,
                lazy=id(node) in lazy,
            )


def _targets(node: ast.AST, package: str, known: dict[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            stem = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*stem, base] if base else stem)
        for alias in node.names:
            # `from rules import wire` means rules.wire; `from rules.wire import Record` means rules.wire.
            inner = f"{base}.{alias.name}"
            yield inner if inner in known else base
    elif isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func)
        first = node.args[0]
        if name.rpartition(".")[2] in ("import_module", "__import__") and isinstance(first, ast.Constant):
            yield str(first.value)


def wrong_arrows(root: Path) -> list[str]:
    """Every arrow that points the wrong way, as a sentence."""
    known = modules(root)
    every = [one for module, path in known.items() for one in imports_of(root, module, path, known)]
    wrong = [f"{one}: {why}" for one in every for why in _why_wrong(one)]
    wrong += [f"{_place(root, path, node)}: a clock in the kernel" for path, node in _clocks(known)]
    wrong += [f"{_place(root, path, node)}: the kernel is given text, it opens no file" for path, node in _opens(known)]
    wrong += _heavy_core(every, known)
    wrong += _engine_in_relay(every, known)
    return wrong


def _why_wrong(one: Import) -> Iterator[str]:
    top, _, inside = one.module.partition(".")
    target_top, _, target_inside = one.target.partition(".")
    if target_top not in ALSO_OURS:
        if top == "rules" and target_top in NOT_IN_RULES:
            yield "the kernel has no I/O, no clock and no chance"
        elif top == "rules" and not _may_take(one.module, target_top):
            yield "the kernel is the standard library, and at its border pydantic and PyYAML"
        return
    if target_top != top and target_top not in MAY_IMPORT[top]:
        yield f"{top} may import {' and '.join(MAY_IMPORT[top]) or 'nothing'} of ours"
    elif top == "relay" and target_top == "rules" and target_inside.partition(".")[0] not in RELAY_READS:
        yield f"of rules the relay reads only {', '.join(RELAY_READS)}"
    elif top == target_top == "agent":
        yield from _wrong_floor(inside, target_inside)


def _may_take(module: str, target: str) -> bool:
    places = FROM_OTHERS.get(target, ())
    return target in sys.stdlib_module_names or any(f"{module}.".startswith(f"{place}.") for place in places)


def _wrong_floor(inside: str, target: str) -> Iterator[str]:
    here, there = inside.partition(".")[0], target.partition(".")[0]
    if not here or not there or here == there:
        return
    for name in (here, there):
        if name != "video" and name not in FLOORS:
            yield f"agent.{name} stands on no floor yet; give it one in FLOORS of tests/unit/test_architecture.py"
            return
    if here == "video":
        if FLOORS[there] > 0:
            yield "the media worker is a process of its own: it sees the ground floor and nothing above"
    elif there == "video":
        if target not in LINK and not (here == "cli" and target == WORKER):
            yield "of the media worker the core sees only its link and messages"
    elif FLOORS[there] > FLOORS[here]:
        yield f"agent.{here} stands below agent.{there}"


def _clocks(known: dict[str, Path]) -> Iterator[tuple[Path, ast.AST]]:
    for module, path in known.items():
        if module.partition(".")[0] == "rules":
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(CLOCKS):
                    yield path, node


def _opens(known: dict[str, Path]) -> Iterator[tuple[Path, ast.AST]]:
    for module, path in known.items():
        if module.partition(".")[0] == "rules":
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENING:
                    yield path, node


def _heavy_core(every: list[Import], known: dict[str, Path]) -> Iterator[str]:
    """What `agent.app` reaches, functions included, may not be heavy; the cli only as far as it is loaded at once."""
    for start, lazily in (("agent.app", True), ("agent.cli", False)):
        reached = _closure(start, [one for one in every if lazily or not one.lazy], known)
        for one in every:
            if one.module in reached and one.target.partition(".")[0] in NOT_IN_CORE and (lazily or not one.lazy):
                yield f"{one}: {start} reaches it, and the alarm core stays light"


def _engine_in_relay(every: list[Import], known: dict[str, Path]) -> Iterator[str]:
    for module in sorted(known):
        if module.startswith("relay") and "rules.engine" in _closure(module, every, known):
            yield f"{module}: reaches rules.engine, and the relay never decides"


def _closure(start: str, every: list[Import], known: dict[str, Path]) -> set[str]:
    """The modules of ours that importing `start` can load. A module brings the packages above it."""
    by_module: dict[str, set[str]] = {}
    for one in every:
        by_module.setdefault(one.module, set()).add(one.target)
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in known and module not in reached:
            reached.add(module)
            parts = module.split(".")
            waiting += [".".join(parts[:n]) for n in range(1, len(parts))]
            waiting += by_module.get(module, ())
    return reached


def _place(root: Path, path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"


def test_every_arrow_points_the_right_way() -> None:
    wrong = wrong_arrows(ROOT)
    assert not wrong, "\n" + "\n".join(wrong)


def test_all_five_folders_are_there_and_were_looked_at() -> None:
    seen = {module.partition(".")[0] for module in modules(ROOT)}
    assert seen == set(OURS)


def test_every_module_of_the_agent_stands_on_a_floor() -> None:
    names = {module.split(".")[1] for module in modules(ROOT) if module.startswith("agent.")}
    homeless = names - set(FLOORS) - {"video"}
    assert not homeless, f"give these a floor in FLOORS: {', '.join(sorted(homeless))}"


@pytest.mark.parametrize("folder", ["packaging", "systemd"])
def test_no_python_where_it_would_shadow_a_package(folder: str) -> None:
    assert not list((ROOT / folder).rglob("*.py"))


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = [
        str(path) for path in modules(ROOT).values() if path.stem in ("utils", "util", "helpers", "common", "misc")
    ]
    assert not drawers


def test_a_running_relay_has_no_engine() -> None:
    """The drawing above is of the source; this is what Python really loads."""
    program = (
        "import sys, relay.app, relay.cli; print([m for m in sys.modules if m.startswith(('rules.engine', 'agent'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "agent imports relay": ({"agent/app.py": "from relay import app"}, "agent may import rules and certs"),
    "relay imports agent lazily": ({"relay/app.py": "def f():\n    import agent.app"}, "relay may import rules"),
    "by importlib": ({"relay/app.py": "import importlib\nimportlib.import_module('agent.app')"}, "relay may import"),
    "relatively": ({"relay/api/x.py": "from ...agent import app"}, "relay may import"),
    "rules imports certs": ({"rules/wire.py": "import certs.tls"}, "rules may import nothing"),
    "hwlab imports ours": ({"hwlab/demo.py": "from rules.wire import Record"}, "hwlab may import nothing"),
    "certs imports ours": ({"certs/tls.py": "from agent import clock"}, "certs may import nothing"),
    "product imports tests": ({"agent/app.py": "import tests.conftest"}, "agent may import"),
    "the front door is no library": ({"agent/app.py": "import nightporter"}, "agent may import"),
    "relay reads the engine": ({"relay/app.py": "from rules import engine"}, "the relay reads only"),
    "relay reaches the engine": (
        {"relay/app.py": "from rules import wire", "rules/wire.py": "from rules import engine"},
        "relay.app: reaches rules.engine",
    ),
    "asyncio in the kernel": ({"rules/ids.py": "import asyncio"}, "no I/O"),
    "a database in the kernel": ({"rules/ids.py": "def f():\n    import sqlite3"}, "no I/O"),
    "a codec in the kernel": ({"rules/ids.py": "from av import open"}, "no I/O"),
    "time in the kernel": ({"rules/ids.py": "from time import monotonic"}, "no I/O"),
    "a validator inside the kernel": ({"rules/engine.py": "from pydantic import BaseModel"}, "standard library"),
    "a parser inside the kernel": ({"rules/wire.py": "import yaml"}, "standard library"),
    "a package nobody knows": ({"rules/ids.py": "def f():\n    import sortedcontainers"}, "standard library"),
    "a name that only begins so": ({"rules/wired.py": "import pydantic"}, "standard library"),
    "a file in the kernel": ({"rules/document.py": "def f(name):\n    return open(name)"}, "it opens no file"),
    "now in the kernel": ({"rules/ids.py": "import datetime\ndatetime.datetime.now()"}, "rules/ids.py:2: a clock"),
    "store above pipeline": ({"agent/store/log.py": "from agent import pipeline"}, "agent.store stands below"),
    "devices above app": ({"agent/devices/x.py": "import agent.app"}, "agent.devices stands below"),
    "clock above store": ({"agent/clock.py": "import agent.store"}, "agent.clock stands below"),
    "no floor": ({"agent/novelty.py": "import agent.store"}, "agent.novelty stands on no floor"),
    "core sees the worker's inside": ({"agent/pipeline.py": "import agent.video.ring"}, "its link and messages"),
    "worker sees the store": ({"agent/video/ring.py": "import agent.store"}, "the ground floor"),
    "a codec in the core": (
        {"agent/app.py": "from agent.video import link", "agent/video/link.py": "def f():\n    import av"},
        "the alarm core stays light",
    ),
    "a web framework in the core": ({"agent/cli/__init__.py": "import fastapi"}, "the alarm core stays light"),
}
RIGHT = {
    "agent/app.py": "import rules.engine, certs.tls, aiomqtt\nfrom agent import pipeline\nfrom agent.video import link",
    "agent/pipeline.py": "from agent.devices import x\nfrom agent.store import log",
    "agent/cli/__init__.py": "def f():\n    from agent.video import worker",
    "agent/video/worker.py": "import av\nfrom agent import clock",
    "relay/app.py": "import fastapi\nfrom rules import wire\nfrom rules.document import load\nfrom certs import tls",
    "rules/wire.py": "import json, datetime, pydantic\nfrom rules import ids",
    "rules/document.py": "import pydantic, yaml",
    "rules/ids.py": "import hashlib, zoneinfo",
    "hwlab/demo.py": "import subprocess\nfrom hwlab import camera",
}
_SKELETON = (
    "agent/__init__.py", "agent/app.py", "agent/cli/__init__.py", "agent/clock.py", "agent/pipeline.py",
    "agent/devices/__init__.py", "agent/devices/x.py", "agent/store/__init__.py", "agent/store/log.py",
    "agent/video/__init__.py", "agent/video/link.py", "agent/video/ring.py", "agent/video/worker.py",
    "certs/__init__.py", "certs/tls.py", "hwlab/__init__.py", "hwlab/camera.py", "hwlab/demo.py", "relay/__init__.py",
    "relay/api/__init__.py", "relay/app.py", "rules/__init__.py", "rules/document.py", "rules/engine.py",
    "rules/ids.py", "rules/wire.py",
)  # fmt: skip


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name in {*_SKELETON, *files}:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(name, ""))
    return root


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_arrow_is_found(tmp_path: Path, case: str) -> None:
    files, sentence = WRONG[case]
    wrong = wrong_arrows(_tree(tmp_path, files))
    assert any(sentence in one for one in wrong), wrong


def test_right_arrows_are_left_alone(tmp_path: Path) -> None:
    assert wrong_arrows(_tree(tmp_path, RIGHT)) == []
