"""Watches the connection pool of an HTTP client from inside."""
