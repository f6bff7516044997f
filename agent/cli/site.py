"""`nightporter site …`: the site document in and out."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Sequence
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK, guarded


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nightporter site", description="The site document of this gateway.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    raw = argparse.RawDescriptionHelpFormatter
    take = verbs.add_parser(
        "import",
        help="check a site document and lay it ready for the agent's next start",
        epilog='example:\n  nightporter site import site.yaml --why "new door contact"',
        formatter_class=raw,
    )
    take.add_argument("file")
    take.add_argument("--why", default="", help="the reason, kept with the version")
    give = verbs.add_parser(
        "export",
        help="print the version in force",
        epilog="example:\n  nightporter site export > site.yaml",
        formatter_class=raw,
    )
    for verb in (take, give):
        verb.add_argument("--config", default="/etc/nightporter/agent.yaml", help="agent.yaml (default: %(default)s)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run a verb of `nightporter site`."""
    arguments = _parser().parse_args(list(argv))
    return guarded(lambda: _import(arguments) if arguments.verb == "import" else _export(arguments))


def _import(arguments: argparse.Namespace) -> int:
    from agent.config.load import load_config, load_site_file
    from agent.recovery import stage_site

    config = load_config(Path(arguments.config))
    text, site = load_site_file(Path(arguments.file))
    stage_site(config.paths.data, text=text, who=getpass.getuser(), why=arguments.why)
    print(
        f"{arguments.file}: good ({len(site.devices)} devices, {len(site.rules)} rules). "
        "It comes into force at the agent's next start."
    )
    return EX_OK


def _export(arguments: argparse.Namespace) -> int:
    from agent.cli.status import site_text
    from agent.config.load import load_config

    text = site_text(load_config(Path(arguments.config)))
    if text is None:
        print("no site document is in force; import one: nightporter site import site.yaml")
        return EX_FOUND
    print(text, end="")
    return EX_OK
