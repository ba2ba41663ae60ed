"""The emulated network between the proxy and its upstream: round trip, jitter and bandwidth."""
