"""The platform in this process."""

from portaria.testing.plugin import portaria

__all__ = ["portaria"]
