"""From .proto files to what is committed: typed façades, stubs, type hints."""

from portaria.codegen.generate import generate

__all__ = ["generate"]
