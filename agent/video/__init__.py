"""Footage of the building's cameras: the media worker's process, and the link by which the alarm core directs it."""
