"""The building in a box: simulated hardware that speaks bytes on the wire and imports nothing else of the project."""
