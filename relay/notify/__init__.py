"""Telling people: a pipeline of stages, each of which says why it held something back; deliveries are rows."""
