"""Data sets, a folder each: `<name>/dataset.py` declares one (docs/adding.md)."""
