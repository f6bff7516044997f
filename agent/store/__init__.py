"""The durable log and what hangs on it: one SQLite file, one writer."""
