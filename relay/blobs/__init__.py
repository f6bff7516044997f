"""Media by its SHA-256: a folder this relay fills, or one that the agent on the same machine fills."""
