"""`make demo`: the platform shown by a caller that ships with it; `python -m` runs it."""
