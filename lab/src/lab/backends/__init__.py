"""Brings the services up in one of two ways: in Docker Compose, or as local processes."""
