"""`nightporter rules lint`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK
from agent.cli.rules.files import as_data
from agent.config.text import read_text
from rules.document import load_placed
from rules.document.site import Site, load_site
from rules.errors import DocumentError
from rules.lint import BESIDE, lint


def run(arguments: argparse.Namespace) -> int:
    """Advice with its place. A document with mistakes gets those instead: advice on it could be about nothing."""
    text = read_text(Path(arguments.file), "site document")
    try:
        load_site(text, arguments.file)
        site, places = load_placed(text, arguments.file, Site)
    except DocumentError as error:
        if arguments.json:
            print(json.dumps({"mistakes": as_data(error), "advice": []}, indent=2, ensure_ascii=False))
        else:
            print(error, file=sys.stderr)
        return EX_FOUND
    found = []
    for advice in lint(site):
        line, column = places.of_value(advice.path)
        found.append(
            {"file": arguments.file, "line": line, "column": column, "path": ".".join(map(str, advice.path)),
             "topic": advice.topic, "after": advice.after, "says": advice.says}
        )  # fmt: skip
    if arguments.json:
        print(json.dumps({"advice": found}, indent=2, ensure_ascii=False))
        return EX_FOUND if found else EX_OK
    for each in found:
        print("{file}:{line}:{column}: {says} [{topic}, {after}]".format(**each))
    print(BESIDE)
    pieces = f"{len(found)} piece{'' if len(found) == 1 else 's'} of advice"
    print(f"{arguments.file}: {pieces}; none is a claim of compliance with any standard")
    return EX_FOUND if found else EX_OK
