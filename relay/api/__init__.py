"""What gateways and monitors call."""
