"""The proxy's own paths under `/-/`."""
