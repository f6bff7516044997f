"""What every device family offers the core: facts go into the intake, commands come out of `command`."""

from __future__ import annotations

from typing import Protocol

from agent.supervisor import Service


class Family(Service, Protocol):
    """A service that hears devices and can command their outputs."""

    def owns(self, device: str) -> bool:
        """Whether this output is reached through this family."""
        ...

    async def command(self, device: str, value: str) -> None:
        """Switch an output to "on" or "off"; returns when the way there has accepted it. DeviceError otherwise."""
        ...
