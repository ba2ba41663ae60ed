"""Keeps the Locust UI from starting a run while a run from the command line is on, and the other way round."""

import asyncio
import contextlib
import os
import secrets

from lab.backends.locust_ui import LocustUi
from lab.backends.service_http import send
from lab.wire.locust import LockRefused, RunLock
from lab.wire.service import UnexpectedAnswer, parse
from service_kit.exits import UnavailableError

RENEWED_EVERY_SECONDS = 3.0


class UiLock:
    """The lock in the UI of one `up`. The UI gives it up by itself when this program has ended without doing so."""

    def __init__(self) -> None:
        self._lock = RunLock(holder=secrets.token_hex(8), note=f"pid {os.getpid()}")
        self._url = ""
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, ui_url: str | None) -> None:
        """Take the lock and keep it; nothing to do without a UI. Raises UnavailableError while a run is on there."""
        if ui_url is None or self._renewing is not None:
            return
        self._url = f"{ui_url}/lab/run-lock"
        status, body = await self._send("PUT")
        known = status in (200, 409)
        if status == 409 or (not known and await LocustUi(ui_url).is_busy()):
            raise UnavailableError(f"{_because(body)} ({ui_url}); stop it there, or wait for its end")
        if known:  # else the UI is of a version without it
            self._renewing = asyncio.create_task(self._renew())

    async def release(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
            await self._send("DELETE")

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_EVERY_SECONDS)
            await self._send("PUT")

    async def _send(self, method: str) -> tuple[int, bytes]:
        with contextlib.suppress(OSError):
            return await send(method, self._url, self._lock.model_dump())
        return 0, b""


def _because(body: bytes) -> str:
    try:
        return parse(LockRefused, body, "/lab/run-lock").because
    except UnexpectedAnswer:
        return "a run is on in the Locust UI"
