"""The life-cycle of an incident as a table.

Theory of operation: an incident waits (`open`) until somebody has it in hand (`acknowledged`, then `in_progress` once
work began), is settled with a reason (`resolved`) and filed (`closed`). `reopened` brings it back to waiting from
everywhere, and so does another incident that is merged into one that was settled: what came in with it nobody has
settled. `merged` is final and wins over everything, whatever else was done at the same time elsewhere. Whatever may be
done to an open incident may be done to an acknowledged one as well: its acknowledgement may have lapsed for whoever
acted and not for whoever folds.
"""

from __future__ import annotations

from typing import Literal, get_args

State = Literal["none", "open", "acknowledged", "in_progress", "resolved", "closed", "merged"]
STATES: tuple[str, ...] = get_args(State)

# {state: {entry kind: next state}}; "none" is an incident whose opening entry has not arrived yet.
LIFE: dict[str, dict[str, str]] = {
    "none": {"incident.opened": "open", "incident.merged": "merged"},
    "open": {
        "incident.acknowledged": "acknowledged",
        "incident.started": "in_progress",
        "incident.resolved": "resolved",
        "incident.merged": "merged",
    },
    "acknowledged": {
        "incident.acknowledged": "acknowledged",
        "incident.started": "in_progress",
        "incident.resolved": "resolved",
        "incident.reopened": "open",
        "incident.merged": "merged",
    },
    "in_progress": {
        "incident.started": "in_progress",
        "incident.resolved": "resolved",
        "incident.reopened": "open",
        "incident.merged": "merged",
    },
    "resolved": {
        "incident.closed": "closed",
        "incident.reopened": "open",
        "incident.joined": "open",
        "incident.merged": "merged",
    },
    "closed": {"incident.reopened": "open", "incident.joined": "open", "incident.merged": "merged"},
    "merged": {},
}
WAITING = ("none", "open")
OVER = ("resolved", "closed", "merged")
