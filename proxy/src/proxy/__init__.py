"""The proxy: FastAPI in front of one shared, pooled client, and the pool seen from inside."""
