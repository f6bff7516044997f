"""Rule matching alone: index and conditions to matched rules; no panel, no incident, no id. Beside the peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from rules.engine import Engine
from rules.events import DeviceEvent
from rules.rulebook.rulebook import Rulebook
from rules.turn import Turn
from tests.bench.kernel import worlds
from tests.bench.kernel.measure import cpu
from tests.bench.kernel.peers import PEERS

SIZES = (10, 10_000)
EVENTS = 50_000


@dataclass(slots=True)
class Matching:
    """µs of CPU for one event, by engine and number of rules; a peer that is not there has the reason instead."""

    us: dict[str, dict[int, float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def growth(self, name: str) -> float:
        """What an event costs with the most rules, as a multiple of what it costs with the fewest."""
        return self.us[name][SIZES[-1]] / self.us[name][SIZES[0]]


OURS = "ours"
Run = Callable[[], object]


def _rulebook(count: int) -> tuple[Rulebook, Engine]:
    engine = Engine(site=worlds.site(worlds.rules_document(count)), site_sha256="0" * 64, origin="bench")
    for fact in worlds.history():
        engine.step(fact)
    return engine._rulebook, engine  # the part under the clock is not the whole engine


def _turn(event: DeviceEvent) -> Turn:
    return Turn(cause=event.id, seed=event.id, gt=event.gt, wall=event.wall, clock=event.clock, trace=[])


def _checked(count: int, events: list[DeviceEvent], rulebook: Rulebook) -> None:
    """A figure counts only if the answer is right."""
    for event in events[:2000]:
        wanted = [f"rule-{n}" for n in range(count) if worlds.facts(event).holds(n)] if count <= 10 else _oracle(event)
        found = [rule.id for rule in rulebook.matching(event, _turn(event))]
        assert found == wanted, f"{event.device}: {found}, not {wanted}"


def _oracle(event: DeviceEvent) -> list[str]:
    n = int(event.device.rpartition("-")[2])
    return [f"rule-{n}"] if worlds.facts(event).holds(n) else []


def _ours(count: int) -> tuple[Run, int]:
    rulebook, _ = _rulebook(count)
    events = worlds.openings(count, EVENTS)
    _checked(count, events, rulebook)
    turn = _turn(events[0])
    matching, trace = rulebook.matching, turn.trace

    def run() -> None:
        for event in events:
            matching(event, turn)
        trace.clear()

    return run, len(events)


def _peer(name: str, count: int) -> tuple[Run, int]:
    make, amounts = PEERS[name]
    match = make(count)
    told = [worlds.facts(event) for event in worlds.openings(count, amounts[count])]
    for one in told[:10]:
        wanted = [n for n in range(count) if one.holds(n)]
        assert match(one) == wanted, f"{name}: {match(one)}, not {wanted}"

    def run() -> None:
        for one in told:
            match(one)

    return run, len(told)


def measure(rounds: int) -> Matching:
    """All engines in turn, `rounds` times, so that a busy moment of the machine hits all of them."""
    result = Matching()
    runs: dict[tuple[str, int], tuple[Run, int]] = {}
    for size in SIZES:
        runs[OURS, size] = _ours(size)
        for name in PEERS:
            try:
                runs[name, size] = _peer(name, size)
            except ImportError as error:
                result.skipped[name] = f"not installed ({error.name}); make bench installs requirements-bench.lock"
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, (run, count) in runs.items():
            taken[key].append(cpu(run) / count * 1e6)
    for (name, size), values in taken.items():
        result.us.setdefault(name, {})[size] = statistics.median(values)
    return result
