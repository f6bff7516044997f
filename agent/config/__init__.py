"""What the box is told: `agent.yaml`, the site document, and secrets by name."""
