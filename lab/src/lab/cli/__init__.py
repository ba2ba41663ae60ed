"""The `sandbox` command: one module a command."""
