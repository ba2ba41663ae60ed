import pytest

from support.behaviours import CLIENTS
from support.identity import mirror, users
from support.raw_http import raw_upstream
from support.servers import running_proxy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nobody_sees_what_is_another_users(client: str, host: str) -> None:
    """Cookies, credentials and bodies, by IP and by host name: a jar treats the two differently."""

    async with raw_upstream(mirror) as upstream:
        url = f"http://{host}:{upstream.port}"
        async with running_proxy(url, client=client, max_connections=8, pool_timeout_seconds=30) as proxy:
            mixed = await users(proxy.port, 40, 5)
    assert mixed.requests == 200
    assert mixed.foreign == []
