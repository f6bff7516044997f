"""`nightporter rules check`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK
from agent.cli.rules.files import as_data
from agent.config.text import read_text
from rules.document.site import Site, load_site
from rules.errors import DocumentError

_MANY = {"holidays": "lists of holidays", "access_levels": "access levels"}
_ONE = {"people": "person", "holidays": "list of holidays", "access_levels": "access level"}


def run(arguments: argparse.Namespace) -> int:
    """Every mistake in every document."""
    wrong = 0
    found = []
    for name in arguments.files:
        try:
            site = load_site(read_text(Path(name), "site document"), name)
        except DocumentError as error:
            wrong += 1
            found += as_data(error)
            if not arguments.json:
                print(error)
        else:
            if not arguments.json:
                print(f"{name}: good ({_holds(site)})")
    if arguments.json:
        print(json.dumps({"mistakes": found}, indent=2))
    return EX_FOUND if wrong else EX_OK


def _holds(site: Site) -> str:
    """How much of each part there is."""
    parts = [(name, getattr(site, name)) for name in type(site).model_fields]
    counted = [(name, len(part)) for name, part in parts if isinstance(part, list | dict) and part]
    return ", ".join(f"{number} {_ONE.get(name, name[:-1]) if number == 1 else _MANY.get(name, name)}"
                     for name, number in counted)  # fmt: skip
