"""How Locust is fitted into the sandbox: signals, listeners that must not raise, and filters of its log."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import gevent
from flask.typing import ResponseReturnValue
from gevent import socket

from service_kit.exits import ExitCode

if TYPE_CHECKING:  # importing Locust patches the whole process: tests of these functions do without
    from locust.env import Environment
    from locust.web import WebUI

log = logging.getLogger(__name__)

View = Callable[..., ResponseReturnValue]


def guarded(listener: Callable[..., None]) -> Callable[..., None]:
    """Return the listener with its exceptions logged instead of raised."""

    @wraps(listener)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            listener(*args, **kwargs)
        except Exception:
            log.exception("the recorder failed in %s", getattr(listener, "__name__", listener))

    return call


MAIN = "locust.main"
TABLES = "locust.stats_logger"
ANYWHERE = frozenset({"", "*", "0.0.0.0", "::"})
TRIED_EVERY_SECONDS = 0.05


def login_of(web_ui: "WebUI") -> Callable[[View], View]:
    """Return what puts a view behind Locust's login, if that is on."""
    behind_login: Callable[[View], View] = cast("Any", web_ui).auth_required_if_enabled
    return behind_login


def without_invitation(record: logging.LogRecord) -> bool:
    """Shorten Locust's line about its address: 0.0.0.0 cannot be opened, and a container has no browser."""
    if str(record.msg).startswith("Starting web interface"):
        record.msg, record.args = "Starting web interface ...", ()
    return True


def no_tables(_: logging.LogRecord) -> bool:
    """Drop the tables: the web UI shows them, and the runs are saved."""
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


class Signals:
    """Handles signals for one Locust process. `finish` stops and saves a run that is under way."""

    def __init__(self, environment: "Environment", finish: Callable[[], None]) -> None:
        self._environment = environment
        self._finish = finish
        self._interrupted = False
        self._ending = False
        self._serving = environment.web_ui is not None

    def install(self) -> None:
        """Take over Ctrl-C; SIGTERM only where Locust has no handler yet, while a master waits for its workers."""
        gevent.signal_handler(signal.SIGINT, self.interrupt)
        gevent.signal_handler(signal.SIGTERM, self.terminate)

    def test_start(self, **_: object) -> None:
        """From now on Locust's main greenlet waits where it can be interrupted."""
        self._serving = True

    def quitting(self, **_: object) -> None:
        """Locust's main greenlet is on its way out, there is nothing left to interrupt."""
        self._ending = True

    def interrupt(self) -> None:
        """End with 130; a second Ctrl-C does not wait for requests in flight."""
        if self._interrupted:
            os._exit(ExitCode.INTERRUPTED)
        self._interrupted = True
        self._environment.process_exit_code = ExitCode.INTERRUPTED
        if not self._serving:
            self._leave(SystemExit(ExitCode.INTERRUPTED))
        self._finish()
        if not self._ending:
            self._leave(KeyboardInterrupt())

    def terminate(self) -> None:
        """End before the first run has begun; afterwards Locust's own handler does it, by way of `quitting`."""
        if not self._serving:
            self._leave(SystemExit(0))

    def _leave(self, how: BaseException) -> None:
        """Raise in Locust's main greenlet, the one that waits."""
        gevent.get_hub().parent.throw(how)
