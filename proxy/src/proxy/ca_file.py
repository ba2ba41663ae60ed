"""The file of the authorities to trust: waited for, because the sandbox's upstream makes it, and all start at once."""

import ssl
import time

from proxy.clients.transport import origin
from proxy.settings import Settings
from service_kit.exits import UnavailableError

WAIT_SECONDS = 10.0


def await_ca_file(settings: Settings, seconds: float = WAIT_SECONDS) -> None:
    """Return when the file is there and good, or if none is needed. Raises UnavailableError."""
    path = settings.ca_file
    if path is None or not origin(settings).secure:
        return
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        ssl.create_default_context(cafile=path)
    except FileNotFoundError:
        raise UnavailableError(f"PROXY_CA_FILE='{path}': no such file, not even after {seconds:g} s") from None
    except OSError as error:  # ssl.SSLError is one
        wrong = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise UnavailableError(f"PROXY_CA_FILE='{path}': {wrong}; allowed: a PEM file of authorities") from None
