"""Doors, codes and people: who may pass, and what the doors do."""
