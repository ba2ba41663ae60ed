"""What the mock needs of the machine, and cannot have."""


class SurroundingsError(Exception):
    """A port, a host or a directory cannot be had; the message is one line and names the variable."""
