"""The Date header's format (RFC 9110 section 5.6.7), made once a second."""

from email.utils import formatdate
from functools import lru_cache


@lru_cache(2)
def http_date(seconds: int) -> bytes:
    """Return a Unix time as a Date header has it."""
    return formatdate(seconds, usegmt=True).encode()
