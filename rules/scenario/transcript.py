"""What happened in a scenario, for a person to read: when, what, what followed, and what had been expected instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from rules.document import Strict
from rules.scenario.document import Loaded
from rules.scenario.model import Boots, Step
from rules.scenario.player import Played
from rules.scenario.times import spoken


def transcript(loaded: Loaded, played: Sequence[Played], *, trace: bool = False) -> str:
    """The whole of it. Lines with `>>>` are not as expected. `trace`: also why each decision was taken."""
    normal = ", every input is normal" if loaded.scenario.normal else ""
    lines = [f"{loaded.scenario.scenario} ({loaded.file})", f"  begins {loaded.scenario.at}{normal}"]
    for each in played:
        lines += _step(loaded, each, trace)
    return "\n".join(lines)


def happened(step: Step) -> str:
    """What a step did, on one line."""
    if step.do is None:
        return "time passes"
    if isinstance(step.do, Boots):
        off = step.do.boot.off
        how = "orderly" if step.do.boot.clean else "power loss"
        return f"the gateway starts ({how}, off {off if isinstance(off, str) else spoken(off)})"
    return ", ".join(_words(step.do))


def _words(do: Strict) -> Iterator[str]:
    for name, value in do.model_dump(by_alias=True, exclude_unset=True).items():
        yield f"{name} {spoken(value) if name == 'clock_steps' else value}"


def _step(loaded: Loaded, each: Played, trace: bool) -> Iterator[str]:
    where = f"  line {loaded.lines[each.number]}" if each.failures else ""
    yield f"{spoken(each.at):>10}  {happened(each.step)}{where}"
    if each.step.says:
        yield f"            # {each.step.says}"
    if each.step.expect is None or each.lines == each.step.expect:
        yield from (f"              {line}" for line in each.lines)
    else:
        yield from _compared(each.step.expect, each.lines)
    if trace:
        yield from (f"              . {why.text}" for why in each.trace)
    yield from (f"          >>> {failure}" for failure in each.failures)


def _compared(expected: list[str], found: list[str]) -> Iterator[str]:
    """Both, side by side: what is as expected stands once."""
    for what, i1, i2, j1, j2 in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if what == "equal":
            yield from (f"              {line}" for line in found[j1:j2])
        else:
            yield from (f"          >>> expected: {line}" for line in expected[i1:i2])
            yield from (f"          >>> found:    {line}" for line in found[j1:j2])
