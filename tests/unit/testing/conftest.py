"""The plugin's own fixture, as a user has it."""

from portaria.testing.plugin import portaria

__all__ = ["portaria"]
