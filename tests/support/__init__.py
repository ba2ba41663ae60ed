"""What several tests need: raw HTTP on real sockets, and parts as real processes."""
