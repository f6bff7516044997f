"""The agent whose upkeep and disk watch come round every moment instead of every few seconds or hours:
`busy_agent.py run ARGUMENTS...`."""

from __future__ import annotations

import sys

from agent import disks, upkeep
from agent.cli import main

if __name__ == "__main__":
    disks.PERIOD = 0.3
    upkeep.PRUNE_FIRST = upkeep.PRUNE_EVERY = upkeep.PRUNE_SOON = 0.5
    upkeep.CHECK_FIRST = upkeep.CHECK_AGAIN = 0.5
    upkeep.COMMITS = 5
    sys.exit(main(sys.argv[1:]))
