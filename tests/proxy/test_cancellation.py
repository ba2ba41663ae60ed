import asyncio
from collections.abc import Callable

import pytest

from proxy.clients.cancellation import AnyioScope, Scope, TaskScope

Build = Callable[[], Scope]
SCOPES = pytest.mark.parametrize(
    "build", [AnyioScope, lambda: TaskScope(asyncio.get_running_loop())], ids=["anyio", "task"]
)


@SCOPES
async def test_a_cancelled_scope_is_left_without_an_error(build: Build) -> None:
    """And the task goes on as if nothing had been cancelled."""

    scope = build()
    asyncio.get_running_loop().call_later(0.01, scope.cancel)
    with scope:
        await asyncio.sleep(30)
    assert scope.cancel_called
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@SCOPES
async def test_time_up_ends_the_work_and_not_what_comes_after(build: Build) -> None:
    """The timer of a scope that was left in time does nothing."""

    late, early = build(), build()
    with late:
        late.cancel_after(0.01)
        await asyncio.sleep(30)
    with early:
        early.cancel_after(0.01)
    await asyncio.sleep(0.05)
    assert late.cancel_called
    assert not early.cancel_called


@SCOPES
async def test_the_last_things_are_finished_whoever_cancels(build: Build) -> None:
    """Cancelled while it gives back what is held, it gives it back."""

    scope, given_back = build(), []

    async def give_back() -> None:
        await asyncio.sleep(0.03)
        given_back.append(True)

    asyncio.get_running_loop().call_later(0.01, scope.cancel)
    with scope:
        await scope.finish(give_back())
    assert given_back == [True]


@SCOPES
async def test_an_error_of_the_work_comes_through_a_cancelled_scope(build: Build) -> None:
    """Libraries turn a cancellation into an error of their own; the task is not left half cancelled then."""

    scope = build()
    asyncio.get_running_loop().call_later(0.01, scope.cancel)

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise KeyError from None

    with pytest.raises(KeyError), scope:
        await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@SCOPES
async def test_whoever_cancels_the_task_itself_is_obeyed(build: Build) -> None:
    """A server that shuts down cancels the task: that is not swallowed, not even with the scope cancelled too."""

    scope = build()

    async def work() -> None:
        with scope:
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    scope.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
