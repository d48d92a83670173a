"""The `portaria` command. Each command is a module, imported only when it runs."""
