"""`nightporter lab`: the building in a box from the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
import yaml

from hwlab import check, scenario
from hwlab.building import Building
from hwlab.control import ask, serve
from hwlab.drill import run as drill
from hwlab.errors import DocumentError, LabError, MissingProgram
from hwlab.faults import PROFILES, FaultProxy

OK, FOUND, USAGE, TRY_AGAIN, CONFIGURATION = 0, 1, 2, 75, 78

_EXAMPLES = """examples:
  nightporter lab up --dir ./lab            start the building in ./lab; Ctrl-C ends it
  nightporter lab scenario break_in --dir ./lab
  nightporter lab scenario ./my.yaml --dir ./lab
  nightporter lab check --gateway GATEWAY-ID --journal lab/journal.jsonl --agent agent.db --relay relay.db
  nightporter lab faults --profile satellite --listen 9443 --to relay.example:8443
  nightporter lab drill --config /etc/nightporter/agent.yaml      an acceptance run, on a copy

exit status: 0 fine, 1 something was found, 2 wrong usage, 75 try again, 78 a document or setting is wrong
"""


def main(argv: list[str]) -> int:
    """Run one command; its exit status."""
    arguments = _parser().parse_args(argv)
    _configure_logs(verbose=arguments.verbose)
    commands = {"up": _up, "scenario": _scenario, "check": _check, "drill": _drill, "faults": _faults}
    try:
        return asyncio.run(commands[arguments.command](arguments))
    except (DocumentError, MissingProgram) as error:
        _complain(error)
        return CONFIGURATION
    except LabError as error:
        _complain(error)
        return FOUND if error.permanent else TRY_AGAIN
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter lab",
        description="A simulated building: a real MQTT broker, sensors, and an RTSP camera whose picture moves.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="show what the parts log, on standard error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|scenario|check|drill|faults")
    up = commands.add_parser("up", help="start the building and stay until Ctrl-C")
    up.add_argument("--dir", type=Path, help="its folder; without it a temporary one, removed at the end")
    up.add_argument("--broker", choices=("auto", "mosquitto", "nats"), default="auto", help="which broker to run")
    up.add_argument("--report", action="store_true", help="print the addresses as one line of JSON")
    play = commands.add_parser("scenario", help="play a scenario in the building that runs in a folder")
    play.add_argument("name", help=f"one of {', '.join(scenario.shipped())}, or a YAML file")
    play.add_argument("--dir", type=Path, required=True, help="the folder the lab was started with")
    verify = commands.add_parser("check", help="check the invariants over a journal and the stores of agent and relay")
    verify.add_argument("--gateway", required=True, help="the gateway's id, as in its certificate")
    verify.add_argument("--journal", type=Path, help="the lab's journal.jsonl")
    verify.add_argument("--agent", type=Path, help="the agent's SQLite store")
    verify.add_argument("--relay", type=Path, help="the relay's SQLite store")
    verify.add_argument("--json", action="store_true", help="for programs")
    rehearse = commands.add_parser(
        "drill",
        help="kill, cut off and fill up a copy of a gateway, and check that nothing is lost",
        description="Copies agent.yaml and the site document into a folder of its own, with a broker, sensors, relays "
        "and a duty desk of the lab, runs the real commands there, and kills, cuts off and fills up what a building "
        "may meet. The gateway in use, its log, its broker and its relays are not touched.",
    )
    drill.arguments_of(rehearse)
    spoilt = commands.add_parser("faults", help="a line that misbehaves: a port of this machine that leads elsewhere")
    spoilt.add_argument("--profile", choices=sorted(PROFILES), default="online", help="how the line is")
    spoilt.add_argument("--listen", type=int, default=0, metavar="PORT", help="its port on 127.0.0.1; 0: any")
    spoilt.add_argument("--to", required=True, metavar="HOST:PORT", help="what it leads to")
    return parser


def _configure_logs(*, verbose: bool) -> None:
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=colours),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _complain(error: LabError) -> None:
    sys.stderr.write(f"nightporter lab: {error}\n")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _up(arguments: argparse.Namespace) -> int:
    if arguments.dir is not None:
        return await _stay(arguments.dir.resolve(), arguments)
    with tempfile.TemporaryDirectory(prefix="nightporter-lab-") as folder:
        return await _stay(Path(folder), arguments)


async def _stay(directory: Path, arguments: argparse.Namespace) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with Building(directory=directory, broker=arguments.broker) as building, serve(building):
        if arguments.report:
            _print(json.dumps(_facts(building)))
        else:
            _welcome(building)
        await ended.wait()
    if not arguments.report:
        _print("The building is closed.")
    return OK


def _facts(building: Building) -> dict[str, Any]:
    broker = building.broker
    return {
        "directory": str(building.directory),
        "credentials": str(building.credentials_file),
        "journal": str(building.journal.path),
        "broker": {"kind": broker.kind, "host": broker.host, "port": broker.port},
        "cameras": {name: building.cameras[name].url for name in building.cameras.names},
        "devices": {name: device.topic for name, device in building.devices.items()},
    }


def _welcome(building: Building) -> None:
    facts = _facts(building)
    _print("The building is open.")
    _print(f"  broker       {building.broker.host}:{building.broker.port} ({building.broker.kind})")
    for name, url in facts["cameras"].items():
        _print(f"  camera       {name}: {url}")
    for name, topic in facts["devices"].items():
        _print(f"  device       {name}: {topic}")
    _print(f"  credentials  {facts['credentials']}")
    _print(f"  journal      {facts['journal']}")
    _print(f"Play something: nightporter lab scenario break_in --dir {building.directory}")
    _print("Ctrl-C closes the building.")


async def _scenario(arguments: argparse.Namespace) -> int:
    try:
        path = scenario.find(arguments.name)
    except LabError as error:
        _complain(error)
        return USAGE
    text = path.read_text(encoding="utf-8")
    chosen = scenario.parse(text, file=str(path) if path.parent != scenario.SHIPPED else path.name)
    _print(f"{chosen.name}: {chosen.about} ({chosen.seconds:.0f} s)")
    request = {"play": {"text": text, "file": path.name}}
    async for answer in ask(arguments.dir.resolve(), request):
        if "error" in answer:
            sys.stderr.write(f"nightporter lab: {answer['error']}\n")
            return FOUND
        _show(answer)
        if answer.get("done"):
            return OK
    sys.stderr.write("nightporter lab: the lab ended before the scenario did\n")
    return TRY_AGAIN


def _show(answer: Mapping[str, Any]) -> None:
    if "please" in answer:
        wanted = yaml.safe_dump(answer["argument"], default_flow_style=True).strip().removesuffix("...").strip()
        _print(f"           please do this now: {answer['please']}: {wanted}")
    elif "at" in answer:
        _print(f"  {answer['at'] / 1_000_000:6.1f} s  {answer['say']}")
        if answer["expect"]:
            _print(f"            expect: {answer['expect']}")


async def _check(arguments: argparse.Namespace) -> int:
    if arguments.agent is None and arguments.relay is None:
        sys.stderr.write("nightporter lab check: give --agent, --relay or both\n")
        return USAGE
    report = await asyncio.to_thread(
        check.check,
        gateway=arguments.gateway,
        journal=arguments.journal,
        agent=arguments.agent,
        relay=arguments.relay,
    )
    _print(json.dumps(report.as_json()) if arguments.json else str(report))
    return OK if report.ok else FOUND


async def _faults(arguments: argparse.Namespace) -> int:
    host, _, port = arguments.to.rpartition(":")
    if not host or not port.isdigit():
        sys.stderr.write(f"nightporter lab faults: --to {arguments.to} is not HOST:PORT\n")
        return USAGE
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    line = FaultProxy(to=(host.strip("[]"), int(port)), profile=PROFILES[arguments.profile], port=arguments.listen)
    async with line:
        _print(f"{line.host}:{line.port} leads to {arguments.to}, line: {arguments.profile}; Ctrl-C ends it")
        await ended.wait()
    _print(f"{line.connections} connections, {line.up} bytes up, {line.down} bytes down, {line.resets} resets")
    return OK


async def _drill(arguments: argparse.Namespace) -> int:
    return await drill.run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
