"""An outlet without a network: what waits for it is carried as a file, and a receipt is carried back."""
