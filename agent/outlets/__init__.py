"""Followers of the log, each with its own durable cursor."""
