"""Runs the patterns: opens each app once, calls it, counts the call, and watches the pool of its client."""
