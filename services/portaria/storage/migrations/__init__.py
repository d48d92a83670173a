"""The registry of documents."""
