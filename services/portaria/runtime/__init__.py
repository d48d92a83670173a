"""The only code that knows RQ: the worker, its children, and the entry that refuses stock ones."""
