"""The kernel: what happened, what it means, how it is said. Pure: no I/O, no clock, no threads."""

VERSION = "0.1.0"
