"""Files and rows compared, page by page, once for each start of the media worker. A file that nothing names gets a row
and is kept like any other footage nobody waits for; a row whose file is gone is told and removed. A disk on which
nothing at all is found is not the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from agent.clock import Clock
from agent.intake import Intake
from agent.store.footage_rows import FootageRows
from agent.video.messages import Files
from rules.events import BlobLost

log = structlog.get_logger()

BEYOND = "g"
"""A name that sorts behind every digest."""
FRESH = 60_000_000
"""Footage younger than this (µs) may have come while a page was on its way: its row proves nothing yet."""
MOST_TOLD = 20
"""Missing files told one by one; beyond that their number is logged: it is one trouble, not many."""


class Reconciler:
    """`list_files` asks the worker for the page beyond a name; its answer is None when it went away."""

    def __init__(
        self,
        *,
        rows: FootageRows,
        intake: Intake,
        clock: Clock,
        list_files: Callable[[str], Awaitable[Files | None]],
    ) -> None:
        self._rows = rows
        self._intake = intake
        self._clock = clock
        self._list_files = list_files

    async def run(self) -> bool:
        """Compare everything; False when the worker went away before the end."""
        after, found, adopted, missing = "", 0, 0, 0
        while True:
            began = self._clock.gt()
            page = await self._list_files(after)
            if page is None:
                return False
            found += len(page.files)
            if not found and not page.until:
                blobs, _ = await self._rows.total()
                if blobs:
                    log.error("media.disk_empty", expected=blobs)
                return True
            known = await self._rows.known(after, page.until or BEYOND)
            on_disk = {file.sha256: file.bytes for file in page.files}
            strangers = [(name, size) for name, size in on_disk.items() if name not in known]
            if strangers:
                await self._rows.adopt(strangers, gt=began)
                adopted += len(strangers)
            # What is marked is deleted by order, and its end is told there.
            lost = [
                name
                for name, row in known.items()
                if name not in on_disk and not row.going and row.came < began - FRESH
            ]
            if lost:
                await self._tell(lost[: max(0, MOST_TOLD - missing)])
                await self._rows.forget(lost)
                missing += len(lost)
            if not page.until:
                log.info("media.reconciled", files=found, adopted=adopted, missing=missing)
                return True
            after = page.until

    async def _tell(self, lost: list[str]) -> None:
        for sha256 in lost:
            reason = "the file is not on the media disk any more"
            await self._intake.tell(BlobLost(**self._clock.header(), sha256=sha256, reason=reason))
