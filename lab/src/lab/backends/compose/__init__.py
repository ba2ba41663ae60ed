"""The sandbox in Docker Compose, driven through the `docker` command."""
