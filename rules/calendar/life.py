"""The life-cycle of arming by schedule, one for each partition that has it.

Theory of operation. Outside its schedule a partition is `idle`; that it is armed or disarmed then is people's affair.
Shortly before the schedule begins, arming is announced (`warning`), and when the warning is over the partition is
armed. One that people armed already is kept as it is, one whose exit delay runs is left to them. Where somebody moves
during the warning (with `on_quiet`), or a window is open, the partition waits in `waiting`: until it was quiet for long
enough, until it is ready. `closing` is the exit delay, `armed` what the schedule wants. A partition somebody disarms
meanwhile is `left` alone: it comes back to its warning only when it was quiet for long enough, or with the next
beginning of the schedule. The end of the schedule disarms nothing. What is not in the table changes nothing.

The warning and all waiting are measured in gateway time; only the schedule's own edges are wall time.
"""

from __future__ import annotations

LIFE: dict[str, dict[str, str]] = {
    "idle": {"due": "warning", "wait": "waiting", "keep": "armed", "leave": "closing"},
    "warning": {
        "stir": "waiting",
        "withdraw": "idle",
        "refuse": "waiting",
        "exit": "closing",
        "arm": "armed",
        "end": "idle",
    },
    "waiting": {"due": "warning", "exit": "closing", "arm": "armed", "end": "idle"},
    "closing": {"arm": "armed", "disarm": "left", "end": "idle"},
    "armed": {"exit": "closing", "disarm": "left", "end": "idle"},
    "left": {"due": "warning", "wait": "waiting", "exit": "closing", "arm": "armed", "end": "idle"},
}
