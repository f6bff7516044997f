"""The standing conversation with each relay: commands and entries down, outcomes up."""
