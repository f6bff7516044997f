"""What the engine decided, done: outputs, clips, stills."""
