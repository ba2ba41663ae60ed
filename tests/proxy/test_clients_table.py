from support.abilities import TABLE, table


async def test_the_committed_table_is_what_the_clients_can_do() -> None:
    """Make it anew with `python -m support.abilities` in tests/."""
    assert TABLE.read_text() == await table()
