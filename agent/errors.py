"""What can go wrong in the agent. `permanent` says that trying again cannot help until a person changes something."""

from __future__ import annotations


class AgentError(Exception):
    """Root of the agent's errors; the text is a sentence for a person: what, where, what next."""

    permanent = False


class ConfigError(AgentError):
    """The configuration cannot be used; the process ends with exit code 78."""

    permanent = True


class StoreError(AgentError):
    """The log could not be read or written just now."""


class StoreFull(StoreError):
    """There is no room left on the log's file system."""


class StoreDamaged(AgentError):
    """The store is not what it should be; it is never replaced silently."""

    permanent = True


class StoreBroken(StoreDamaged):
    """The store's file is damaged, and what is left of it can be rescued (see store/README.md)."""


class DeviceError(AgentError):
    """A device could not be reached or refused."""


class OutletError(AgentError):
    """An outlet could not be reached or did not accept."""


class OutletRefusal(OutletError):
    """The other side answered and will go on refusing: identity, epoch or history do not match."""

    permanent = True
