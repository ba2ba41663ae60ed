"""Forwarding: from an ASGI request to the shared client and back, byte for byte."""
