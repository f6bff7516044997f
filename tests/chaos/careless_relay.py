"""The relay with one safeguard taken off, to see that the tests notice: `careless_relay.py WHICH ARGUMENTS...`.

`repeats`: it does not look whether it told people before it was restored.
"""

from __future__ import annotations

import sys

from relay import restored
from relay.cli import main
from relay.notify import stages


def repeats() -> None:
    stages.STAGES = tuple(stage for stage in stages.STAGES if stage is not stages.told_before)
    restored.read = lambda database: None


if __name__ == "__main__":
    {"repeats": repeats}[sys.argv[1]]()
    sys.exit(main(["run", *sys.argv[2:]]))
