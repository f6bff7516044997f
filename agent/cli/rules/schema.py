"""`nightporter rules schema`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK, EX_USAGE
from agent.config.text import read_text
from agent.errors import ConfigError
from rules.document import nearest
from rules.schema import breaking, registry


def run(arguments: argparse.Namespace) -> int:
    """Print the register, or say what a peer of the other version could no longer read."""
    if arguments.new and not arguments.old:
        raise ConfigError("--new is compared with --old: name both")
    new = _register(Path(arguments.new)) if arguments.new else registry()
    if arguments.old:
        return _compare(_register(Path(arguments.old)), new, arguments.json)
    if arguments.kind:
        if arguments.kind not in new:
            print(f"{arguments.kind!r} is no kind of this version{nearest(arguments.kind, list(new))}", file=sys.stderr)
            return EX_USAGE
        print(new[arguments.kind], end="")
        return EX_OK
    if arguments.json:
        print(json.dumps({kind: json.loads(text) for kind, text in new.items()}, indent=2, ensure_ascii=False))
        return EX_OK
    for kind, text in new.items():
        schema = json.loads(text)
        print(f"{kind:26} {schema.get('x-lane') or '-':3} {schema.get('description', '')}")
    return EX_OK


def _compare(old: dict[str, str], new: dict[str, str], as_json: bool) -> int:
    broken = breaking(old, new)
    added = [kind for kind in new if kind not in old]
    if as_json:
        print(json.dumps({"breaking": broken, "new": added}, indent=2))
    else:
        for sentence in broken:
            print(sentence)
        if added:
            print(f"new kinds, which break nobody: {', '.join(added)}")
        print("these versions do not understand each other" if broken else "these versions understand each other")
    return EX_FOUND if broken else EX_OK


def _register(path: Path) -> dict[str, str]:
    """A register as kept in `rules/schemas/`, or as `rules schema --json` prints it."""
    if path.is_dir():
        found = {file.stem: read_text(file, "schema") for file in sorted(path.glob("*.json"))}
        if not found:
            raise ConfigError(f"there are no schemas (KIND.json) in {path}")
    else:
        try:
            found = {str(kind): json.dumps(schema) for kind, schema in json.loads(read_text(path, "register")).items()}
        except (ValueError, AttributeError):
            raise ConfigError(f"{path} is no register of schemas") from None
    for kind, text in found.items():
        try:
            whole = json.loads(text)
        except ValueError:
            whole = None
        if not isinstance(whole, dict):
            raise ConfigError(f"the schema of {kind} in {path} is not a JSON object")
    return found
