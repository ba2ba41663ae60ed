"""What the proxy itself can run out of, and no upstream is to blame for: descriptors, threads, local ports, memory."""

import errno
import os
from typing import Final

from .library_errors import causes_of

_CODE_BY_ERRNO: Final = {
    errno.EMFILE: "proxy_descriptors",
    errno.ENFILE: "proxy_descriptors",
    errno.ENOMEM: "proxy_memory",
    errno.ENOBUFS: "proxy_memory",
    errno.EADDRNOTAVAIL: "proxy_ports",
}


def exhausted(error: BaseException) -> str | None:
    """Return the code of what was lacking, None if the error has another cause."""
    return exhausted_code([found for cause in causes_of(error) if (found := _of_cause(cause)) is not None])


def exhausted_by_text(text: str) -> str | None:
    """Return the same of an error of a library in Rust, which names the numbers of the kernel's errors in its text."""
    numbers = [word.partition(")")[0] for word in text.split("(os error ")[1:]]
    return exhausted_code([_CODE_BY_ERRNO.get(int(number), "") for number in numbers if number.isdigit()])


def exhausted_code(found: list[str]) -> str | None:
    """Return the code that the causes come to; one that is no lack is empty.

    Each address has an attempt of its own: that ::1 is not available, as without IPv6, is no want of ports if another
    address refused.
    """
    lacks = {code for code in found if code}
    others = lacks - {"proxy_ports"}
    if others:
        return min(others)
    return "proxy_ports" if lacks and "" not in found else None


def _of_cause(cause: BaseException) -> str | None:
    """Return the code of one cause, empty if it is a failure of another kind, None if it says nothing."""
    match cause:
        case MemoryError():
            return "proxy_memory"
        case RuntimeError() if "can't start new thread" in str(cause):
            return "proxy_threads"
        case OSError() if cause.errno in _CODE_BY_ERRNO:
            return _CODE_BY_ERRNO[cause.errno]
        case ConnectionError():
            return ""
        case OSError() if cause.errno is not None:
            # the resolver needs descriptors, too: without one it blames the name, or fails by any other number
            return "" if may_open() else "proxy_descriptors"
    return None


def may_open() -> bool:
    """Say whether there is a descriptor left."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
