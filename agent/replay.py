"""What the log says happened, given to an engine again: no effects, and no fault of the program ends it."""

from __future__ import annotations

from functools import partial

import structlog

from agent.keeper import Keeper, Undecided
from rules.document.site import Site
from rules.engine import Engine
from rules.events import Event
from rules.incidents import Entry

log = structlog.get_logger()

_EVERY = 20_000  # facts between two snapshots in memory: a long replay has no time for more
_MOST_TIMERS = 50


class Replay:
    """`under` is the SHA-256 of the document in force at this point of the log; `left_out` are the kinds of facts that
    failed and were left out."""

    def __init__(self, *, engine: Engine, site: Site, under: str, gateway: str) -> None:
        self._gateway = gateway
        self.under = under
        self.left_out: list[str] = []
        self._keeper = self._keep(engine, site)

    @property
    def engine(self) -> Engine:
        """The engine after what was replayed."""
        return self._keeper.engine

    def change(self, *, site: Site, sha256: str) -> None:
        """Another document comes into force here."""
        engine = Engine.restore(self.engine.snapshot(), site=site, site_sha256=sha256, origin=self._gateway)
        self.under = sha256
        self._keeper = self._keep(engine, site)

    def step(self, fact: Event | Entry) -> None:
        """Decide it, and forget what follows: that is in the log already."""
        for _ in range(_MOST_TIMERS):
            try:
                self._keeper.step(fact, _nothing)
            except Undecided as failure:
                log.error("replay.failed", reason=str(failure), kind=fact.kind, fact=fact.id, timer=failure.timer)
                if failure.timer is None:
                    break
                self._keeper.give_up(failure.timer)
                self.left_out.append(f"the deadline {failure.timer}")
            else:
                return
        self.left_out.append(fact.kind)

    def _keep(self, engine: Engine, site: Site) -> Keeper:
        again = partial(Engine.restore, site=site, site_sha256=self.under, origin=self._gateway)
        return Keeper(engine=engine, restore=again, every=_EVERY)


def _nothing(actions: object) -> None:
    """What a replay makes of decisions."""
