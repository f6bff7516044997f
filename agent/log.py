"""The agent's own log lines: events with constant dotted names and facts as keys; JSON unless a person watches."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from agent.fault import path_to


class _Unfailing:
    """stderr, as far as it goes: where log lines cannot be written (a full disk, a reader that went away) they are
    lost, and the alarm system goes on. What matters is in the log, not in log lines."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _fault(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as the way to it: neither its text nor any variable, for a code may be in them."""
    error = sys.exc_info()[1]
    if event.pop("exc_info", None) and error is not None:
        event["error"] = path_to(error)
    return event


def configure(*, person: bool | None = None) -> None:
    """Set up once per process; `person` decides between lines for eyes and JSON (default: is stderr a terminal)."""
    person = sys.stderr.isatty() if person is None else person
    renderer: structlog.typing.Processor
    renderer = structlog.dev.ConsoleRenderer(colors=False) if person else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _fault,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Unfailing())),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # paho warns at each of more than ten pending calls; a burst of alarms is not a fault.
    logging.getLogger("mqtt").setLevel(logging.ERROR)
