"""Systems that score actions, a folder each: `<name>/system.py` declares one, or some that share code (docs/adding.md)."""
