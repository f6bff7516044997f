"""The front door: one command whose first word chooses a part, loaded only then so that `--help` answers at once."""

from __future__ import annotations

import sys

USAGE, CONFIGURATION, INTERRUPTED = 2, 78, 130

# word -> (module with `main(argv) -> int`, the extras that bring what it imports, what it is for)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("hwlab.demo", "lab", "a building, its gateway and two relays on this machine; a break-in, live"),
    "agent": ("agent.cli", "agent,media", "the gateway in a building: run, check, status, secret, media"),
    "site": ("agent.cli.site", "agent", "the site document of a gateway: devices, places, rules"),
    "rules": ("agent.cli.rules", "agent", "a site's rules: check, test, replay, explain, schema, lint"),
    "relay": ("relay.cli", "relay", "where people look and act: run, check"),
    "certs": ("certs.cli", "", "the certificate authority: init, issue, list"),
    "lab": ("hwlab.cli", "lab", "simulated sensors, cameras and brokers: up, scenario"),
}

_HELP = """\
usage: nightporter COMMAND ...

The night porter of a building: knows every door, keeps the log, decides on the spot, and telephones out.

commands:
{commands}

options:
  -h, --help  show this help, or a command's with: nightporter COMMAND --help
  --version   show the version

example:
  nightporter demo

exit codes: 0 done, 1 found something, 2 usage, 75 try again, 78 configuration
"""


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; an unknown word is answered with the nearest known one."""
    words = sys.argv[1:] if argv is None else argv
    if not words:
        sys.stderr.write(_help())
        return USAGE
    word, rest = words[0], words[1:]
    if word in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if word == "--version":
        from rules import VERSION

        sys.stdout.write(f"nightporter {VERSION}\n")
        return 0
    if word not in COMMANDS:
        return _unknown(word)
    module, extra, _ = COMMANDS[word]
    try:
        return _run(module, rest)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("agent", "relay", "rules", "certs", "hwlab"):
            raise  # one of our own modules is missing: a fault of the program, not of its installation
        wanted = f"nightporter[{extra}]" if extra else "nightporter"
        sys.stderr.write(
            f"nightporter {word}: the Python package {error.name!r} is not installed here; install what this command "
            f"needs with: pip install '{wanted}'\n"
        )
        return CONFIGURATION
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(module: str, argv: list[str]) -> int:
    import importlib

    return int(importlib.import_module(module).main(argv))


def _unknown(word: str) -> int:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(COMMANDS)
    sys.stderr.write(f"nightporter: {word!r} is no command; {hint}\n")
    return USAGE


def _help() -> str:
    return _HELP.format(commands="\n".join(f"  {word:6} {text}" for word, (_, _, text) in COMMANDS.items()))


if __name__ == "__main__":
    sys.exit(main())
