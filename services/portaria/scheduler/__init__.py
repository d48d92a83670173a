"""The scheduler: fires each tick of every schedule once, however many of it run."""
