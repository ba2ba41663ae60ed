"""Fault runtime: rule parsing, scheduling and raw connection access."""
