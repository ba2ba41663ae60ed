"""The mock upstream: a slow HTTP service whose latency, capacity and errors are set by UPSTREAM_ variables."""
