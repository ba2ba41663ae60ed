"""What Locust logs about its web UI, cut down to what helps: no invitation to press enter, no tables when it ends."""

import logging
import sys

import gevent
from gevent import socket

MAIN = "locust.main"
TABLES = "locust.stats_logger"
ANYWHERE = frozenset({"", "*", "0.0.0.0", "::"})
TRIED_EVERY_SECONDS = 0.05


def without_invitation(record: logging.LogRecord) -> bool:
    """Shorten Locust's line about its address: 0.0.0.0 cannot be opened, and a container has no browser."""
    if str(record.msg).startswith("Starting web interface"):
        record.msg, record.args = "Starting web interface ...", ()
    return True


def no_tables(_: logging.LogRecord) -> bool:
    """Drop the tables: who has the web UI has them there, and the runs are saved."""
    return False


def address(host: str, port: int, base_path: str = "") -> str:
    """Return where the web UI is found: a URL, or the port alone where it listens on every address."""
    if host in ANYWHERE:
        return f"locust: port {port}{base_path and f', {base_path}'}"
    return f"locust: http://{f'[{host}]' if ':' in host else host}:{port}{base_path}"


def announce(host: str, port: int, base_path: str) -> None:
    """Wait until the web UI accepts connections, then print its address on a line of its own."""
    reached = {"::": "::1"}.get(host, "127.0.0.1") if host in ANYWHERE else host
    while True:
        try:
            socket.create_connection((reached, port), timeout=1).close()
            break
        except OSError:
            gevent.sleep(TRIED_EVERY_SECONDS)
    sys.stderr.write(address(host, port, base_path) + "\n")
    sys.stderr.flush()
