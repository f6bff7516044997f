"""Questions of a relay: read-only, bounded, answered or said no to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent.errors import AgentError
from rules import wire
from rules.errors import RulesError

Question = Callable[[dict[str, str]], Awaitable[dict[str, Any]]]

TIME = 5.0  # seconds for an answer
MOST_AT_ONCE = 4
_LONGEST_ANSWER = 900_000  # characters; a frame has at most 1 MiB


class Questions:
    """What may be asked, by name. A question that knows why it has no answer raises AgentError or RulesError."""

    def __init__(self, *, known: Mapping[str, Question], time: float = TIME) -> None:
        self._known = known
        self._time = time
        self._at_once = 0

    async def answer(self, ask: wire.Ask) -> wire.Answer:
        """The answer, always."""
        question = self._known.get(ask.question)
        if question is None:
            return _no(ask, "this gateway does not know that question")
        if self._at_once >= MOST_AT_ONCE:
            return _no(ask, "busy: too many questions at once, ask again")
        self._at_once += 1
        try:
            async with asyncio.timeout(self._time):
                result = await question(ask.args)
        except TimeoutError:
            return _no(ask, f"there was no answer within {self._time:g} s")
        except (AgentError, RulesError) as error:
            return _no(ask, str(error))
        finally:
            self._at_once -= 1
        answer = wire.Answer(ask=ask.id, ok=True, result=result)
        if len(answer.text()) > _LONGEST_ANSWER:
            return _no(ask, "the answer is too long to send; ask for less")
        return answer


def _no(ask: wire.Ask, reason: str) -> wire.Answer:
    return wire.Answer(ask=ask.id, ok=False, reason=reason)
