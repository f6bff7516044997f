"""The life-cycles of a partition: arming, and telling of an alarm.

Theory of operation, arming. A partition is disarmed, exiting (the exit delay runs), armed, or entering (the entry delay
runs). What is not in the table cannot happen: an armed partition changes its mode only by way of disarming, because an
exit delay given to somebody who has shown no code would let a burglar out of sight. An exit delay ends by itself, once
restarted by somebody who came back for the umbrella; if the way out is still open then, that is an exit error and an
entry delay begins. An entry delay that nobody ends by disarming ends in an alarm, and the partition stays armed.

Theory of operation, telling. The siren sounds at once. People outside are told of a burglary when the abort window is
over, or sooner when another zone, a hold-up or a fire says that it is real; disarming before that is nobody's affair.
Once told, everything that follows is told at once, until somebody disarms or wipes the memory of alarms.
"""

from __future__ import annotations

ARMING: dict[str, dict[str, str]] = {
    "disarmed": {"arm": "exiting", "arm_at_once": "armed"},
    "exiting": {
        "arm": "exiting",
        "arm_at_once": "armed",
        "exit_restarted": "exiting",
        "exit_over": "armed",
        "exit_failed": "entering",
        "disarm": "disarmed",
    },
    "armed": {"enter": "entering", "disarm": "disarmed"},
    "entering": {"enter": "entering", "entry_over": "armed", "disarm": "disarmed"},
}

TELLING: dict[str, dict[str, str]] = {
    "quiet": {"alarm": "waiting", "alarm_at_once": "told"},
    "waiting": {"alarm": "waiting", "confirmed": "told", "disarm": "quiet"},
    "told": {"alarm_at_once": "told", "disarm": "quiet", "forgotten": "quiet"},
}

ARMING_EVENTS = ("arm", "arm_at_once", "exit_restarted", "exit_over", "exit_failed", "enter", "entry_over", "disarm")
TELLING_EVENTS = ("alarm", "alarm_at_once", "confirmed", "disarm", "forgotten")
