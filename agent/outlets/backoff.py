"""How long to wait before the next attempt: full jitter, quick at first, then up to a ceiling."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

# Windows in seconds of the first attempts; after them each is twice the one before. A relay that restarts is back
# within the first three, and a thousand gateways that lost it together do not come back together.
_FIRST = (0.1, 0.5, 1.0)
CEILING = 60.0
MOST_PATIENT = 3600.0  # whatever a Retry-After says


class Backoff:
    """The attempts of one connection. `uniform` draws a number between two; tests give one that does not."""

    def __init__(self, *, ceiling: float = CEILING, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._ceiling = ceiling
        self._uniform = uniform
        self._attempt = 0
        self._nudged = asyncio.Event()

    def reset(self) -> None:
        """It worked: the next failure is a first one again."""
        self._attempt = 0

    def delay(self) -> float:
        """Seconds until the next attempt, never nothing at all."""
        attempt = self._attempt
        self._attempt = min(attempt + 1, 30)
        window = _FIRST[attempt] if attempt < len(_FIRST) else 2.0 ** (attempt - len(_FIRST) + 1)
        window = min(window, self._ceiling)
        return self._uniform(window / 10, window)

    async def pause(self, *, at_least: float | None = None) -> None:
        """Wait before the next attempt. What the other side asked for (`at_least`, seconds) is waited out in full, and
        some more; without it `nudge` ends the wait."""
        delay = self.delay()
        if at_least is not None:
            # The whole of it, and then spread: a busy relay may say the same to a thousand gateways at once.
            await asyncio.sleep(min(at_least + delay, MOST_PATIENT))
            return
        await self._until_nudged(delay)

    async def pause_long(self) -> None:
        """Wait after a refusal: trying again soon cannot help, a person has to do something first."""
        await self._until_nudged(self._uniform(self._ceiling / 2, self._ceiling))

    def nudge(self) -> None:
        """There is a reason to try now: a wait that is under way ends."""
        self._nudged.set()

    async def _until_nudged(self, seconds: float) -> None:
        self._nudged.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            pass
