"""Two hundred users, fifty requests each, own cookies, credentials and bodies: no value may reach a foreign user.

    python -m soak.identity        (in tests/)

By IP and by host name, with each client. Exit 1 if one did.
"""

import argparse
import asyncio
import sys
import time

from support.behaviours import CLIENTS
from support.identity import mirror, users
from support.raw_http import raw_upstream
from support.servers import free_port, part


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument("--users", type=int, default=200, help="users at once (200)")
    parser.add_argument("--requests", type=int, default=50, help="requests of each (50)")
    return parser.parse_args()


async def trial(client: str, host: str, options: argparse.Namespace) -> bool:
    """Run the users against one proxy and print what was found."""
    port = free_port()
    async with raw_upstream(mirror) as upstream:
        opened = part(
            "proxy",
            f"http://127.0.0.1:{port}/-/healthy",
            PROXY_PORT=port,
            PROXY_UPSTREAM_URL=f"http://{host}:{upstream.port}",
            PROXY_CLIENT=client,
            PROXY_MAX_CONNECTIONS=20,
            PROXY_POOL_TIMEOUT_SECONDS=60,
        )
        await asyncio.to_thread(opened.__enter__)
        try:
            began = time.monotonic()
            mixed = await users(port, options.users, options.requests)
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
    fine = not mixed.foreign and mixed.requests == options.users * options.requests
    sys.stdout.write(
        f"{client:9} {host:9} {'ok ' if fine else 'NOT'} {mixed.requests} requests, {len(mixed.foreign)} foreign "
        f"values, {time.monotonic() - began:.0f} s\n"
    )
    sys.stdout.writelines(f"  {line}\n" for line in mixed.foreign[:5])
    sys.stdout.flush()
    return fine


async def main() -> int:
    """Run it with each client, by both names."""
    options = arguments()
    results = [
        await trial(client, host, options)
        for client in options.client or CLIENTS
        for host in ("127.0.0.1", "localhost")
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
