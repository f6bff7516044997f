"""Named places where a crash of the relay could tell a lie. `NIGHTPORTER_FAILPOINT=ingest.after_commit_before_reply`
makes the process kill itself there; unset, a fail-point costs one comparison. `name:3` means at the third time."""

from __future__ import annotations

import os
import signal

NAMES = (
    "ingest.before_commit",
    "ingest.after_commit_before_reply",
    "upload.after_chunk",
    "upload.before_complete",
    "upload.after_keep_before_reply",
    "notify.before_send",
    "notify.after_send_before_mark",
)

_armed, _, _count = os.environ.get("NIGHTPORTER_FAILPOINT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1


def reach(name: str) -> None:
    """Die here if this fail-point is armed."""
    global _left  # the one switch of the process
    if name == _armed:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
