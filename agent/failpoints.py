"""Named places where a crash could tell a lie. `NIGHTPORTER_FAILPOINT=store.after_commit_before_ack` makes the process
kill itself there; unset, a fail-point costs one comparison. `name:3` means at the third time it is passed."""

from __future__ import annotations

import os
import signal

NAMES = (
    "pipeline.after_outputs_before_commit",
    "store.before_commit",
    "store.after_commit_before_ack",
    "store.after_ack",
    "outlet.after_reply_before_cursor",
    "media.after_reply_before_mark",
    "clip.after_write_before_name",
    "clip.after_name_before_row",
    "migrate.in_step",
    "migrate.after_step",
    "rescue.before_exchange",
    "rescue.in_exchange",
    "backup.mid",
    "evict.after_mark",
    "evict.after_unlink",
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
