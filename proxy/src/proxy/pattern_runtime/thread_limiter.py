"""The threads that `def` endpoints run in: anyio's default limiter, 40 tokens unless PROXY_THREAD_TOKENS says else."""

from anyio.to_thread import current_default_thread_limiter


def limit_threads(total: int) -> None:
    """Set how many threads of the running loop may work at a time; further calls wait for a token."""
    current_default_thread_limiter().total_tokens = total


def thread_tokens() -> dict[str, int]:
    """Return the tokens there are, those borrowed and the calls that wait for one. To be called in the loop."""
    statistics = current_default_thread_limiter().statistics()
    return {
        "total": int(statistics.total_tokens),
        "borrowed": statistics.borrowed_tokens,
        "waiting": statistics.tasks_waiting,
    }
