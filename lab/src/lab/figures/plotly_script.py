"""Plotly's JavaScript, from its installed Python package, which is found and not imported: that would take a second."""

import importlib.util
from importlib.metadata import version
from pathlib import Path


def plotly_version() -> str:
    return version("plotly")


def plotly_script() -> bytes:
    """Return the script, 4.8 MB of UTF-8."""
    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("package_data").joinpath("plotly.min.js").read_bytes()
