"""Two network namespaces with an upstream in one, for the tests that need real packets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.netns_pair import NetnsPair, cannot


@pytest.fixture
def netns() -> Iterator[NetnsPair]:
    """Give two namespaces with an upstream in one; without root, or without a TUN device, the test is left out."""
    reason = cannot() or (None if Path("/dev/net/tun").exists() else "needs /dev/net/tun")
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    made = NetnsPair()
    try:
        made.upstream()
        yield made
    finally:
        made.close()
