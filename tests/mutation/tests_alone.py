"""Which tests need nothing but the kernel: found by following their imports."""

from __future__ import annotations

import ast
from pathlib import Path

ELSEWHERE = ("agent", "relay", "certs", "hwlab", "nightporter")


def standing_alone(root: Path) -> list[str]:
    """The unit tests below `root` that need `rules` and the standard kit, as paths from there. What reads the project's
    other folders or its documents is no test of the kernel's behaviour."""
    return [
        str(path.relative_to(root))
        for path in sorted((root / "tests" / "unit").glob("test_*.py"))
        if _needs_rules(path, root) and not _needs(path, root, ELSEWHERE, set())
    ]


def _needs_rules(path: Path, root: Path) -> bool:
    return _needs(path, root, ("rules",), set())


def _needs(path: Path, root: Path, wanted: tuple[str, ...], seen: set[Path]) -> bool:
    if path in seen or not path.exists():
        return False
    seen.add(path)
    for name in _imported(path):
        if name.partition(".")[0] in wanted:
            return True
        if name.startswith("tests.") and _needs(root / Path(*name.split(".")).with_suffix(".py"), root, wanted, seen):
            return True
    return False


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names
