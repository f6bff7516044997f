"""How long footage stays, and what goes when the disk is full."""
