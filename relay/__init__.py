"""The relay: receives incidents and media from gateways, tells people, and is where they look and act."""
