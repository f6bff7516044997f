"""`nightporter demo`: the whole product on the simulated building, as separate real processes.

The demo is a newcomer with a stopwatch: it imports nothing of the product. It writes the configuration an installer
would write, runs the commands an installer would run, and looks at the far end of every step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter demo",
        description="Start a simulated building, a gateway and two relays; play a break-in; stay up until Ctrl-C.",
        epilog="examples:\n  nightporter demo\n  nightporter demo --exit --report report.json --repeat 20",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dir", type=Path, default=Path("nightporter-demo"), help="its own folder (default: %(default)s)"
    )
    parser.add_argument("--scenario", default="break_in", help="break_in or relay_outage (default: %(default)s)")
    parser.add_argument("--exit", action="store_true", help="end after the scenario; exit 0 only if all was seen")
    parser.add_argument("--report", type=Path, help="write the measured timeline as JSON (implies --exit)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="play it N times (with --exit)")
    parser.add_argument("--height", type=int, choices=(720, 1080), default=720, help="the camera's picture height")
    parser.add_argument("--port", type=int, default=0, help="port of the cloud relay's pages (default: any free one)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the demo; 0 when every step was seen at its far end, 1 when not, 75 when it could not start."""
    arguments = _parser().parse_args(list(argv))
    if not 1 <= arguments.repeat <= 1000:
        print("--repeat: from 1 to 1000", file=sys.stderr)
        return 2
    from hwlab.demo.show import run
    from hwlab.errors import LabError

    try:
        return run(arguments)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 75
