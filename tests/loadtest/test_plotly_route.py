"""Plotly's script as a file: compressed, and kept by the browser."""

import gzip

from flask import Flask

from lab.figures.plotly_script import plotly_script
from loadtest.plotly_route import PlotlyRoute


def test_the_script_is_compressed_and_asked_for_once() -> None:
    app = Flask(__name__)
    app.add_url_rule("/plotly.js", "plotly", PlotlyRoute().serve)
    with app.test_client() as client:
        first = client.get("/plotly.js", headers={"accept-encoding": "br, gzip"})
        assert first.headers["content-encoding"] == "gzip"
        assert first.mimetype == "text/javascript"
        assert len(first.data) < 1_600_000
        assert gzip.decompress(first.data) == plotly_script()
        again = client.get("/plotly.js", headers={"if-none-match": first.headers["etag"], "accept-encoding": "gzip"})
        assert (again.status_code, again.data) == (304, b"")
        plain = client.get("/plotly.js", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.data == plotly_script()
