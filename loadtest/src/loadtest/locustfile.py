"""What Locust loads: its constants, its users, and the recorder as a listener of its events."""

import logging
import signal
from typing import Any

import gevent
import locust.runners
import locust.stats
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.web import WebUI

from loadtest.distributed import Worker
from loadtest.generator_health import ProcessHealth
from loadtest.locust_glue import MAIN, TABLES, Signals, announce, guarded, no_tables, without_invitation
from loadtest.locust_stats import three_digits
from loadtest.locust_ui import install
from loadtest.options import add_options
from loadtest.recorder import Recorder
from loadtest.service_settings import ServiceSettings
from loadtest.settings import Settings
from loadtest.users.locust_shape import take_shape
from loadtest.users.locust_user import KindsDispatcher, SandboxUser, take_kinds

__all__ = ["SandboxUser"]

LISTENED = (
    "test_start",
    "spawning_complete",
    "reset_stats",
    "test_stopping",
    "test_stop",
    "report_to_master",
    # Added after Locust's own and fired in reverse: a run is saved before Locust makes its workers quit.
    "quitting",
)

# Read by Locust at run time, on the master and on each worker: charts and reports by the second, three digits.
locust.stats.HISTORY_STATS_INTERVAL_SEC = 1
locust.stats.PERCENTILES_TO_CHART = [0.5, 0.95, 0.99]
locust.stats.PERCENTILES_TO_STATISTICS = [0.5, 0.95, 0.99]
ROUNDING: Any = locust.stats  # typed as whole milliseconds
ROUNDING.bucket_response_time = three_digits
locust.runners.WORKER_REPORT_INTERVAL = 1.0
locust.runners.CPU_MONITOR_INTERVAL = 2.0

HOOKS: Any = events  # untyped

SERVICE_SETTINGS = ServiceSettings()


def on_init(environment: Environment, runner: Any, web_ui: WebUI | None, **_: Any) -> None:
    """Add the recorder, or the worker's side of it, to Locust's events."""
    health = ProcessHealth()
    listener: Recorder | Worker = (
        Worker(environment, runner, health)
        if isinstance(runner, WorkerRunner)
        else Recorder(environment, Settings(), health)
    )
    for name in LISTENED:
        if (method := getattr(listener, name, None)) is not None:
            getattr(HOOKS, name).add_listener(guarded(method))
    HOOKS.test_start.add_listener(guarded(lambda environment, **_: take_kinds(environment)))
    environment.dispatcher_class = KindsDispatcher
    if isinstance(listener, Recorder) and listener.workers is not None:
        HOOKS.worker_report.add_listener(guarded(listener.workers.worker_report))
    if isinstance(listener, Recorder) and web_ui is not None:
        install(web_ui, listener, SERVICE_SETTINGS, listener.options.web_base_path)
        options = listener.options
        if not options.print_stats:
            logging.getLogger(TABLES).addFilter(no_tables)
        gevent.spawn(announce, options.web_host, options.web_port, options.web_base_path)
    if isinstance(listener, Recorder) and web_ui is None:
        options = listener.options
        take_shape(environment, options.shape, options.num_users or 1, options.run_time)
    signals = Signals(environment, guarded(listener.quitting))
    HOOKS.test_start.add_listener(signals.test_start)
    HOOKS.quitting.add_listener(signals.quitting)
    signals.install()
    # Imports took a while and gevent's clock has not advanced since: a run would be that much too short.
    gevent.get_hub().loop.update_now()


# Set up by Locust after this file is loaded, but filters stay.
logging.getLogger(MAIN).addFilter(without_invitation)

HOOKS.init_command_line_parser.add_listener(add_options)
HOOKS.init_command_line_parser.add_listener(SERVICE_SETTINGS.add_options)
HOOKS.init.add_listener(on_init)

# Blocked by launch.py while all this was imported.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
