"""The changes of the mail domain's tables, in their order."""
