"""The platform's own tables in a database of handlers."""
