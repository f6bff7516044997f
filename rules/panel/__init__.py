"""The alarm panel: partitions and zones."""
