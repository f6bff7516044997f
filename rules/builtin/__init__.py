"""The shipped rules, one YAML file each: `rules/document/library.py` reads them."""
