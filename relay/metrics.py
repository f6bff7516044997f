"""What the relay counts, in a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """One object per process; `text()` is the Prometheus exposition."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        prefix = "nightporter_relay_"
        self.records = Counter(f"{prefix}records", "Records taken in, by lane.", ["lane"], registry=registry)
        self.quarantined = Counter(f"{prefix}quarantined", "Records put aside unread.", ["lane"], registry=registry)
        self.batch_seconds = Histogram(
            f"{prefix}batch_seconds",
            "From a batch being whole to its acknowledgement.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.blob_bytes = Counter(f"{prefix}blob_bytes", "Bytes of media kept.", registry=registry)
        self.deliveries = Counter(
            f"{prefix}deliveries", "Notifications by what became of them.", ["channel", "state"], registry=registry
        )
        self.refused = Counter(
            f"{prefix}refused_connections", "Gateways turned away, by reason.", ["reason"], registry=registry
        )
        self.gateways = Gauge(f"{prefix}gateways_connected", "Gateways on their channel now.", registry=registry)
        self.watchers = Gauge(f"{prefix}open_feeds", "Pages that follow changes now.", registry=registry)
        self.silent = Gauge(f"{prefix}gateways_silent", "Gateways not heard for too long.", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
