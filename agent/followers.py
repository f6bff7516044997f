"""The relays that follow this gateway: for each an outlet (records and recordings up) and a channel (commands and
entries down)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agent.channel.relay import RelayChannel
from agent.clock import Clock
from agent.config.model import AgentConfig
from agent.intake import Intake
from agent.outlets.relay import RelayOutlet
from agent.store.log import Row
from agent.store.opening import Store
from agent.supervisor import Service
from rules import wire


class Followers:
    """All relays of the configuration. `trouble` says why the log cannot be written just now, or None; `digest` makes
    digests of codes, where the site has any."""

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
    ) -> None:
        self._intake = intake
        self._trouble = trouble
        self._outlets: list[RelayOutlet] = []
        self._channels: list[RelayChannel] = []
        for each in config.outlets:
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
            )
            channel = RelayChannel(
                name=each.name,
                url=each.url,
                identity=each.identity,
                socket=each.socket,
                gateway=config.gateway.id,
                epoch=store.epoch,
                software=software,
                database=store.database,
                cursors=store.cursors,
                intake=intake,
                clock=clock,
                states=self.states,
                questions={"status": self._status},
                heard=outlet.nudge,
                digest=digest,
            )
            self._outlets.append(outlet)
            self._channels.append(channel)

    @property
    def services(self) -> Sequence[Service]:
        """What the supervisor runs."""
        return [*self._outlets, *self._channels]

    def states(self) -> dict[str, wire.OutletState]:
        """Every outlet as a heartbeat tells it."""
        return {outlet.state.name: outlet.state.wire() for outlet in self._outlets}

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
