"""Bundles: what gateways without a network sent by hand, and the receipts they get back."""
