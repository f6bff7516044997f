"""The demo itself: set up, play, say what was seen, stay up, leave nothing behind."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from hwlab.building import Building
from hwlab.cameras import CameraSpec
from hwlab.check import check
from hwlab.control import serve
from hwlab.demo import report
from hwlab.demo.desk import Desk
from hwlab.demo.estate import GATEWAY, Estate, prepare
from hwlab.demo.night import Night, Watch
from hwlab.demo.processes import Processes
from hwlab.demo.proof import Proof, prove
from hwlab.demo.visitor import Visitor, printed_code
from hwlab.demo.witness import Witness
from hwlab.errors import LabError
from hwlab.play import Hook

_MARK = "this folder belongs to nightporter demo\n"
_FOOTAGE_SECONDS = 30.0


def say(text: str = "") -> None:
    """A line for whoever watches."""
    print(text, flush=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo to its end; see `hwlab.demo.main`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    directory = _own_folder(arguments.dir)
    try:
        return asyncio.run(_run(arguments, directory))
    except KeyboardInterrupt:
        return 0


def _own_folder(directory: Path) -> Path:
    """An empty folder of the demo's own; one that is somebody else's is never emptied."""
    marker = directory / ".nightporter-demo"
    if directory.exists() and any(directory.iterdir()):
        if not marker.exists():
            raise LabError(f"{directory} is not empty and not the demo's; choose another --dir")
        shutil.rmtree(directory)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    marker.write_text(_MARK)
    return directory.resolve()


async def _run(arguments: argparse.Namespace, directory: Path) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    once = bool(arguments.exit or arguments.report)
    work = asyncio.create_task(_work(arguments, directory, stop, once), name="demo")
    halt = asyncio.create_task(stop.wait(), name="demo.halt")
    done, _ = await asyncio.wait({work, halt}, return_when=asyncio.FIRST_COMPLETED)
    if work not in done:
        say("\nstopping everything ...")
        work.cancel()
    try:
        return await work
    except asyncio.CancelledError:
        say("everything is stopped; the files are in " + str(directory))
        return 0
    finally:
        halt.cancel()


async def _work(arguments: argparse.Namespace, directory: Path, stop: asyncio.Event, once: bool) -> int:
    async with AsyncExitStack() as stack:
        say(f"nightporter demo in {directory}")
        say("starting the building: broker, sensors, camera ...")
        camera = CameraSpec(name="server-room", title="Server room corridor", height=arguments.height)
        building = await stack.enter_async_context(Building(directory=directory / "building", cameras=[camera]))
        await stack.enter_async_context(serve(building))
        say(f"broker: {building.broker.kind} on {building.broker.host}:{building.broker.port}")
        say("making a CA, certificates, configurations, secrets, a site document ...")
        estate = await prepare(directory, building, port=arguments.port)
        processes = await stack.enter_async_context(Processes(estate=estate, say=say))
        witness = Witness(data=estate.cloud / "data")
        stack.callback(witness.close)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        visitor = await _visit(estate, processes, stack, group) if once else None
        watch = Watch(building=building, witness=witness, visitor=visitor, say=say)
        desk = Desk(port=estate.webhook_port, secret=estate.webhook_secret, told=watch.told)
        serving = group.create_task(desk.run(), name="demo.desk")
        stack.callback(serving.cancel)
        await wait_for_footage(building)
        hooks: dict[str, Hook] = {"process": lambda what: _process(processes, what)}
        if visitor is not None:
            return await _measure(arguments, building, estate, processes, watch, visitor, hooks)
        say(f"\nplaying {arguments.scenario}:\n")
        night = await watch.night(arguments.scenario, hooks=hooks)
        _welcome(estate, processes, night)
        await stop.wait()
    return 0


async def _visit(estate: Estate, processes: Processes, stack: AsyncExitStack, group: asyncio.TaskGroup) -> Visitor:
    code = printed_code(processes.cloud.log_file)
    if code is None:
        raise LabError(f"the cloud relay printed no one-time code; see {processes.cloud.log_file}")
    visitor = Visitor(base=f"http://127.0.0.1:{estate.cloud_port}")
    stack.push_async_callback(visitor.close)
    await visitor.sign_in(code)
    watching = group.create_task(visitor.watch(), name="demo.visitor")
    stack.callback(watching.cancel)
    await visitor.watching()
    return visitor


async def wait_for_footage(building: Building) -> None:
    """Wait until the media worker watches the camera: pre-roll can only be had of what was seen."""
    began = time.monotonic()
    while not (await building.camera().status()).get("viewers"):
        if time.monotonic() - began > _FOOTAGE_SECONDS:
            raise LabError("the media worker does not watch the camera; see media.log in the demo's folder")
        await asyncio.sleep(0.1)


async def _process(processes: Processes, what: dict[str, str]) -> None:
    """The scenario's hook `process: {relay: stop|start}`: the cloud relay goes away and comes back."""
    if what.get("relay") == "stop":
        await processes.cloud.stop()
    else:
        await processes.cloud.start()


async def _measure(
    arguments: argparse.Namespace,
    building: Building,
    estate: Estate,
    processes: Processes,
    watch: Watch,
    visitor: Visitor,
    hooks: dict[str, Hook],
) -> int:
    nights: list[Night] = []
    proofs: list[Proof] = []
    for number in range(arguments.repeat):
        say(f"\nnight {number + 1} of {arguments.repeat}: {arguments.scenario}\n")
        night = await watch.night(arguments.scenario, hooks=hooks)
        nights.append(night)
        proof = (
            await prove(night.seen, visitor)
            if night.seen is not None
            else Proof(segments=0, frames=0, pre_roll=0, post_roll=0, problems=("no incident reached the cloud relay",))
        )
        proofs.append(proof)
        for problem in proof.problems:
            say(f"   ! {problem}")
    violations = await asyncio.to_thread(_violations, building, estate)
    for violation in violations:
        say(f"   ! {violation}")
    named = (processes.agent, processes.media, processes.cloud, processes.box)
    whole = report.report(
        nights,
        proofs,
        broker=building.broker.kind,
        ready={process.name: round(process.ready_seconds, 3) for process in named},
        memory={process.name: report.resident(process.pid) for process in named},
        violations=violations,
    )
    say()
    for line in report.table(whole):
        say(line)
    if arguments.report:
        report.write(arguments.report, whole)
        say(f"report: {arguments.report}")
    say("good: every step was seen at its far end" if whole["good"] else "NOT good: see above")
    return 0 if whole["good"] else 1


def _violations(building: Building, estate: Estate) -> list[str]:
    """What sensors, gateway and relays do not agree about, read from what each wrote."""
    found: list[str] = []
    for folder in (estate.cloud, estate.box):
        relay = folder / "data" / "relay.db"
        checked = check(gateway=GATEWAY, journal=building.journal.path, agent=estate.log, relay=relay)
        found += [f"{folder.name}: {violation}" for violation in checked.violations]
    return found


def _welcome(estate: Estate, processes: Processes, night: Night) -> None:
    say()
    if night.seen is not None and "sealed" in night.moments:
        say("the night is over; everything arrived.")
    else:
        say("the night is over; not everything was seen: the logs are in the demo's folder.")
    say()
    for title, port, process in (
        ("cloud relay, the operator's pages", estate.cloud_port, processes.cloud),
        ("relay on the box, the guard's pages", estate.box_port, processes.box),
    ):
        say(f"{title}: http://127.0.0.1:{port}/")
        say(f"   first sign-in: http://127.0.0.1:{port}/setup   one-time code {printed_code(process.log_file)}")
    say()
    say(f"play it again:  {sys.argv[0]} lab scenario break_in --dir {estate.directory / 'building'}")
    say("everything runs until Ctrl-C; what it wrote is in " + str(estate.directory))
