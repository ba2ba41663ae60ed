"""Requests to the services, and their answers as far as a backend reads them."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ANSWER_SECONDS = 5.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the shell's http_proxy: the services are on this machine."""


@dataclass(frozen=True)
class SettingsInForce:
    """A service's /-/config: settings in force ("" where unset), and whether they were changed since its start.

    `engine` is the link's. `revision`, of a service that has one, is another number after each change.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False
    engine: str = ""
    revision: int | None = None


async def get(url: str) -> tuple[int, bytes]:
    """Return status and body; raise OSError, which TimeoutError is, if there is no answer."""
    return await asyncio.to_thread(_exchange, urllib.request.Request(url))


async def get_config(url: str) -> SettingsInForce:
    """Return the settings in force; empty ones if there is no answer."""
    return config_of(await get_object(url))


def config_of(document: Mapping[str, Any]) -> SettingsInForce:
    settings, revision = document.get("settings"), document.get("revision")
    return SettingsInForce(
        settings={name: "" if value is None else str(value) for name, value in settings.items()}
        if isinstance(settings, dict)
        else {},
        changed=bool(document.get("changed")),
        engine=str(document.get("engine", "")),
        revision=revision if isinstance(revision, int) else None,
    )


async def get_object(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL; {} if there is none."""
    try:
        status, body = await get(url)
    except OSError:
        return {}
    return parse_object(body) if status == 200 else {}


async def put_object(url: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Put a JSON object; return the one that is answered, {} if it is refused or there is no answer."""
    request = urllib.request.Request(url, json.dumps(document).encode(), method="PUT")
    try:
        status, body = await asyncio.to_thread(_exchange, request)
    except OSError:
        return {}
    return parse_object(body) if status == 200 else {}


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return a JSON object; {} if the text is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def unready_reason(body: bytes) -> str:
    """Return the reason in the body of a /-/ready that is not 200, "" if there is none."""
    return str(parse_object(body).get("because", ""))


def _exchange(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with _OPENER.open(request, timeout=_ANSWER_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{request.full_url} does not speak HTTP: {error}") from None
