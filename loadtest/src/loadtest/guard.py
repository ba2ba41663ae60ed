"""Listeners that never raise: one that does makes Locust report a failed run that was none."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

log = logging.getLogger(__name__)


def guarded(listener: Callable[..., None]) -> Callable[..., None]:
    """Return the listener with its exceptions logged instead of raised."""

    @wraps(listener)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            listener(*args, **kwargs)
        except Exception:
            log.exception("the recorder failed in %s", getattr(listener, "__name__", listener))

    return call
