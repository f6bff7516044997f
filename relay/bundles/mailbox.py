"""Where bundles are laid for the running relay, which alone writes its database, and where their receipts lie then.

    <data>/bundles/incoming/NAME            laid whole by `relay bundle import`
    <data>/bundles/answers/NAME.receipt     what is carried back to the gateway
    <data>/bundles/answers/NAME.problem     a sentence, when it was not taken in or not all of it

The bundle is removed once it has its answer; answers stay for a month.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import structlog

from certs import private
from certs.errors import CertsError
from relay.bundles.errors import BundleError
from relay.bundles.intake import BundleIntake
from relay.store.database import FAILURES

log = structlog.get_logger(__name__)

LOOK = 2.0  # seconds between two looks
_PAUSE = 60.0  # seconds until a bundle is tried again that met a failing database or disk
_KEEP = 30 * 86_400  # seconds


class BundleMailbox:
    """`run` until cancelled: one bundle after the other, the oldest first."""

    def __init__(self, *, data: Path, intake: BundleIntake, look: float = LOOK) -> None:
        self.folder = data / "bundles"
        self._intake = intake
        self.look = look

    def prepare(self) -> None:
        """Make the folders. OSError when that cannot be."""
        for folder in (self.folder, incoming(self.folder), answers(self.folder)):
            folder.mkdir(mode=0o700, exist_ok=True)

    async def run(self) -> None:
        while True:
            pause = self.look
            for path in await asyncio.to_thread(_waiting, self.folder):
                try:
                    await self._take(path)
                except (*FAILURES, OSError) as error:
                    log.error("bundle.waits", name=path.name, reason=str(getattr(error, "orig", error)))
                    pause = _PAUSE
            await asyncio.sleep(pause)

    async def _take(self, path: Path) -> None:
        receipt, problem = None, None
        try:
            taken = await self._intake.take(path)
            receipt, problem = taken.receipt, taken.problem
        except (BundleError, CertsError) as error:
            problem = str(error)
            log.warning("bundle.refused", name=path.name, reason=problem)
        await asyncio.to_thread(_answer, self.folder, path, receipt, problem)


def incoming(folder: Path) -> Path:
    """Where bundles wait."""
    return folder / "incoming"


def answers(folder: Path) -> Path:
    """Where their answers lie."""
    return folder / "answers"


def _waiting(folder: Path) -> list[Path]:
    for old in answers(folder).iterdir():
        if time.time() - old.stat().st_mtime > _KEEP:  # the file's own time, which is wall time
            old.unlink(missing_ok=True)
    found = [path for path in incoming(folder).iterdir() if not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _answer(folder: Path, path: Path, receipt: bytes | None, problem: str | None) -> None:
    """Durable before the bundle goes: it could not be brought again from here."""
    for ending, content in ((".problem", problem.encode() if problem else None), (".receipt", receipt)):
        target = answers(folder) / f"{path.name}{ending}"
        if content is None:
            target.unlink(missing_ok=True)
            continue
        aside = target.with_name(f".{target.name}.new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(target)
    private.sync_directory(answers(folder))
    path.unlink()
