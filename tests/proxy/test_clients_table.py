import pytest

from support.client_capabilities import TABLE, table

pytestmark = pytest.mark.slow


async def test_the_committed_table_is_what_the_clients_can_do() -> None:
    """Make it anew with `python -m support.client_capabilities` in tests/."""
    assert TABLE.read_text() == await table()
