"""python -m upstream_mock [--check | --help]."""

import asyncio
import sys

from upstream_mock.cli import parse_arguments
from upstream_mock.mistakes import BadSettingsError, load_settings
from upstream_mock.settings import Settings
from upstream_mock.sockets import CannotListenError, listen

BAD_SETTINGS, CANNOT_LISTEN, INTERRUPTED = 2, 3, 130


def main(arguments: list[str]) -> int:
    """Check or serve; returns the exit code."""
    check = parse_arguments(arguments).check
    try:
        settings = load_settings()
        return 0 if check else _serve(settings)
    except BadSettingsError as error:
        print(error, file=sys.stderr)
        return BAD_SETTINGS
    except CannotListenError as error:
        print(error, file=sys.stderr)
        return CANNOT_LISTEN


def _serve(settings: Settings) -> int:
    with (
        listen(settings.host, settings.port, "port") as data,
        listen(settings.host, settings.control_port, "control_port") as control,
    ):
        # Here, because FastAPI takes half a second to import, which --check and a port in use need not wait for.
        from upstream_mock.mock import Mock
        from upstream_mock.server import loop_factory, serve

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(serve(Mock(settings), data, control, lambda: print(_banner(settings), flush=True)))


def _banner(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    capacity = "unlimited" if settings.capacity is None else settings.capacity
    return (
        f"upstream-mock: http://{host}:{settings.port} (control {settings.control_port}), latency {settings.latency}, "
        f"capacity {capacity}, payload {settings.payload_bytes} bytes, errors {settings.error_rate:g}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the handlers stand
        sys.exit(INTERRUPTED)
