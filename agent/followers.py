"""The relays that follow this gateway: for each an outlet (records and recordings up) and a channel (commands and
entries down)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from agent.channel.relay import RelayChannel
from agent.clock import Clock
from agent.config.model import AgentConfig
from agent.config.outlets import OutletConfig
from agent.intake import Intake
from agent.outlets.allowance import Allowance
from agent.outlets.budget import Budget
from agent.outlets.bundle.outlet import BundleOutlet
from agent.outlets.heard import Heard
from agent.outlets.peer import Peer
from agent.outlets.refill import Refill
from agent.outlets.relay import RelayOutlet
from agent.outlets.schedule import Schedule
from agent.outlets.succession import Succession
from agent.retirement import Retirable, Retirement
from agent.store.log import Row
from agent.store.opening import Store
from agent.supervisor import Service
from rules import wire
from rules.timetable import zone


class Followers:
    """All relays of the configuration. `trouble` says why the log cannot be written just now, or None; `digest` makes
    digests of codes, where the site has any; `timezone` is the site's, for schedules and budgets."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        store: Store,
        intake: Intake,
        clock: Clock,
        software: str,
        trouble: Callable[[], str | None],
        digest: Callable[[str], str] | None,
        storage: Callable[[], wire.Storage | None] = lambda: None,
        heard: Heard | None = None,
        timezone: str = "UTC",
    ) -> None:
        self._intake = intake
        self._trouble = trouble
        self._outlets: list[RelayOutlet | BundleOutlet] = []
        self._channels: list[RelayChannel] = []
        self._parts: dict[str, list[Retirable]] = {}
        self._retired: dict[str, asyncio.Event] = {}
        self._retirement = Retirement(
            data=config.paths.data, store=store, intake=intake, clock=clock, stop=self._retire
        )
        succession = Succession(
            database=store.database,
            log=store.log,
            outlets=[each.name for each in config.outlets],
            intake=intake,
            clock=clock,
        )
        self._refill = Refill(
            peers=[
                Peer.of(name=each.name, url=each.url, identity=each.identity, socket=each.socket)
                for each in config.outlets
                if each.bundle is None
            ],
            database=store.database,
            log=store.log,
            intake=intake,
            clock=clock,
        )
        for each in config.outlets:
            if each.bundle is not None:
                carried = self._carried(each, config, store, intake, clock)
                self._outlets.append(carried)
                self._follow(each.name, carried)
                continue
            outlet = RelayOutlet(
                name=each.name,
                url=each.url,
                identity=each.identity,
                socket=each.socket,
                keeps_copy=each.keeps_copy,
                media=config.paths.media,
                database=store.database,
                log=store.log,
                cursors=store.cursors,
                blobs=store.blobs,
                intake=intake,
                clock=clock,
                succession=succession,
                heard=heard,
                allowance=_allowance(each, timezone, store, intake, clock),
            )
            channel = RelayChannel(
                name=each.name,
                url=each.url,
                identity=each.identity,
                socket=each.socket,
                gateway=config.gateway.id,
                epoch=lambda: store.log.epoch,
                software=software,
                database=store.database,
                cursors=store.cursors,
                intake=intake,
                clock=clock,
                states=self.states,
                questions={"status": self._status},
                heard=outlet.nudge,
                digest=digest,
                storage=storage,
                restored=outlet.relay_restored if each.keeps_copy else None,
            )
            self._outlets.append(outlet)
            self._channels.append(channel)
            self._follow(each.name, outlet, channel)

    def _follow(self, name: str, *services: Service) -> None:
        retired = self._retired[name] = asyncio.Event()
        self._parts[name] = [Retirable(service, retired=retired) for service in services]

    async def _retire(self, name: str) -> None:
        """Stop what runs of an outlet; at once, and for good."""
        if name in self._retired:
            self._retired[name].set()
            for part in self._parts[name]:
                await part.resting.wait()

    def _carried(
        self, outlet: OutletConfig, config: AgentConfig, store: Store, intake: Intake, clock: Clock
    ) -> BundleOutlet:
        return BundleOutlet(
            config=outlet,
            gateway=config.gateway.id,
            data=config.paths.data,
            database=store.database,
            log=store.log,
            cursors=store.cursors,
            blobs=store.blobs,
            intake=intake,
            clock=clock,
        )

    @property
    def services(self) -> Sequence[Service]:
        """What the supervisor runs."""
        return [*(part for parts in self._parts.values() for part in parts), self._retirement, self._refill]

    def states(self) -> dict[str, wire.OutletState]:
        """Every outlet as a heartbeat tells it."""
        states = [outlet.state for outlet in self._outlets]
        return {state.name: state.wire() for state in states if not self._retired[state.name].is_set()}

    def unlogged(self, rows: Sequence[Row]) -> None:
        """Tell every relay what cannot be written just now."""
        records = [row.data for row in rows]
        for channel in self._channels:
            channel.unlogged(records)

    async def _status(self, args: dict[str, str]) -> dict[str, Any]:
        """The question `status`: what the gateway says of itself."""
        return {
            "queued": len(self._intake),
            "store": self._trouble() or "good",
            "outlets": {name: state.model_dump() for name, state in self.states().items()},
        }


def _allowance(each: OutletConfig, timezone: str, store: Store, intake: Intake, clock: Clock) -> Allowance:
    """What recordings may use of the way to this outlet."""
    where = zone(timezone)
    schedule = Schedule(each.schedule, zone=where) if each.schedule else None
    budget = each.budget
    months = Budget(monthly=budget.monthly, resets_on=budget.resets_on, zone=where) if budget is not None else None
    return Allowance(
        outlet=each.name, schedule=schedule, budget=months, database=store.database, intake=intake, clock=clock
    )
