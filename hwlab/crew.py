"""Tasks that live as long as a context, owned by a TaskGroup whose wrapping is taken off again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def crew() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that lets a lone error out as itself: what fails inside `async with Building()` is what the caller
    catches, not a group around it."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) != 1:
            raise
        raise errors.exceptions[0] from errors.exceptions[0].__cause__


def heed() -> None:
    """End this task if somebody has asked it to end and the request was lost: in Python 3.11 `asyncio.wait_for` (which
    the MQTT library uses) swallows a cancellation that comes in the same moment as its result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
