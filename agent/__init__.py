"""The edge daemon: devices in, decisions by the kernel, one durable log, outlets out."""
