"""Ctrl-C and SIGTERM: a run under way is stopped softly and kept, then Locust ends as it always does.

Python would raise KeyboardInterrupt in whichever greenlet happens to run, as a rule a user in the middle of a request,
which would then be in no count. Here a signal starts a greenlet of its own.
"""

import os
import signal
from collections.abc import Callable

import gevent
from locust.env import Environment

EXIT_INTERRUPTED = 130


class Signals:
    """Handles signals for one Locust process. `finish` stops and saves a run that is under way."""

    def __init__(self, environment: Environment, finish: Callable[[], None]) -> None:
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
            os._exit(EXIT_INTERRUPTED)
        self._interrupted = True
        self._environment.process_exit_code = EXIT_INTERRUPTED
        if not self._serving:
            self._leave(SystemExit(EXIT_INTERRUPTED))
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
