"""From a message of the contract to the data that a template is filled with."""

from portaria_workers.documents.filling.filled import Filled
from portaria_workers.documents.filling.filling import fill

__all__ = ["Filled", "fill"]
