"""Device families: facts in, commands out."""
