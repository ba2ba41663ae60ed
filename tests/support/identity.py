"""Many users at once, each with a cookie, credentials and bodies of its own: does one ever see another's?"""

import asyncio
from dataclasses import dataclass, field

from support.raw_http import Exchange, split


@dataclass
class Mixed:
    """What was found where it does not belong, in words."""

    requests: int = 0
    foreign: list[str] = field(default_factory=list)


async def mirror(exchange: Exchange) -> None:
    """Send everything back that identifies a user, and a cookie for it."""
    user = exchange.header("x-user")[0]
    said = b"|".join([*exchange.header("cookie"), *exchange.header("authorization"), exchange.body])
    head = b"HTTP/1.1 200 OK\r\nX-User: %b\r\nSet-Cookie: session=%b; Path=/\r\n" % (user, user)
    await asyncio.sleep(0.001 * (len(said) % 5))
    await exchange.send(head + b"Content-Length: %d\r\n\r\n" % len(said) + said)


async def users(port: int, count: int, requests: int) -> Mixed:
    """Let so many users each make so many requests on a connection of its own, all at once."""
    mixed = Mixed()
    await asyncio.gather(*[_user(port, f"user-{number}", requests, mixed) for number in range(count)])
    return mixed


async def _user(port: int, name: str, requests: int, mixed: Mixed) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(requests):
        # every third request says nothing of itself: what comes back then is somebody else's
        body = f"{name}:{number}:".encode() * (1 + number % 40)
        own = [f"Cookie: session={name}", f"Authorization: Bearer {name}"] if number % 3 else []
        lines = ["POST / HTTP/1.1", "Host: proxy.test", f"X-User: {name}", *own, f"Content-Length: {len(body)}"]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers, _ = split(head)
        named = dict(headers)
        said = await reader.readexactly(int(named[b"content-length"]))
        expected = b"|".join([*[line.split(": ", 1)[1].encode() for line in own], body])
        mixed.requests += 1
        cookie = f"session={name}; Path=/".encode()
        if (status, named.get(b"x-user"), named.get(b"set-cookie"), said) != (200, name.encode(), cookie, expected):
            mixed.foreign.append(f"{name}, request {number}: {status} {named.get(b'x-user')!r} {said[:120]!r}")
    writer.close()
