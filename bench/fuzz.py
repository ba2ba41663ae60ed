"""Raw requests that break HTTP in a hundred ways, through a running proxy: what must hold whatever a caller sends.

    .venv/bin/python bench/fuzz.py [--requests 5000] [--parser httptools|h11] [--client httpx] [--seed N]

Each connection carries one to three requests of `fuzz_grammar`; then the caller closes its side and reads. Then:

* the answers are whole, one after the other, and nothing else comes;
* none is a 5xx but 501, for a transfer coding: the upstream answers every request;
* each request that the upstream had is answered by the upstream's answer, in their order, and only once: so one
  request never becomes two;
* usual requests before the first unusual one are answered 200; what no reader may accept, and all behind it, is not
  forwarded;
* afterwards the pool is empty.

Every variant of the grammar is tried alone first. A failure is printed with its bytes, made as small as it goes.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from fuzz_grammar import CASES, PARTS, Case, alone
from fuzz_upstream import TO_HEAD, NumberingUpstream, header_values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from service_kit.listening import free_port

PARSERS = ("httptools", "h11")
CLIENTS = ("httpx", "httpx2", "httpcore", "aiohttp", "pyreqwest")
PATIENCE_SECONDS = 8.0
NUMBER = b"x-number"


@dataclass(frozen=True)
class Answer:
    """One answer as the caller read it."""

    status: int
    head: bytes
    body: bytes

    @property
    def number(self) -> int | None:
        """The number that the upstream gave it, if it is the upstream's."""
        found = header_values(self.head, NUMBER)
        return int(found[0]) if found else None


class NotWholeError(Exception):
    """Bytes that are no sequence of whole answers."""


def read_answers(raw: bytes) -> list[Answer]:
    """Read answers one after the other, by the strict grammar.

    The upstream marks its answers to HEAD; an error of our own has no body if an answer or nothing follows.
    """
    answers: list[Answer] = []
    while raw:
        head, separator, rest = raw.partition(b"\r\n\r\n")
        line = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*", head.split(b"\r\n", 1)[0])
        if line is None or not separator:
            raise NotWholeError(raw[:200])
        status = int(line[1])
        if status < 200:
            raw = rest
            continue
        own = bool(header_values(head, b"x-proxy-error"))
        bodiless = bool(header_values(head, TO_HEAD)) or (own and rest[:5] in (b"", b"HTTP/"))
        body, raw = _body(head, rest, bodiless=bodiless)
        answers.append(Answer(status, head, body))
    return answers


def _body(head: bytes, rest: bytes, *, bodiless: bool) -> tuple[bytes, bytes]:
    lengths, codings = header_values(head, b"content-length"), header_values(head, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise NotWholeError(head)
    if bodiless:
        return b"", rest
    if lengths:
        size = int(lengths[0])
        if len(rest) < size:
            raise NotWholeError(head + rest[:200])
        return rest[:size], rest[size:]
    if codings:
        whole = re.match(rb"(?s)(?:[0-9a-f]+\r\n.*?\r\n)*?0\r\n\r\n", rest)
        if whole is None:
            raise NotWholeError(head + rest[:200])
        return whole[0], rest[whole.end() :]
    return rest, b""


@dataclass(frozen=True)
class Fuzzed:
    """A running proxy before an upstream that numbers requests."""

    upstream: NumberingUpstream
    port: int

    def send(self, case: Case) -> bytes:
        """Send a case, close this side and return all that comes. Raises TimeoutError if the other side stays open."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError):  # refused before all of it was sent: there may be an answer
                for segment in case.segments:
                    connection.sendall(segment)
                    time.sleep(0.0005 if len(case.segments) > 1 else 0)
                with contextlib.suppress(OSError):  # ENOTCONN, where it was closed meanwhile
                    connection.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionError):
                while data := connection.recv(65536):
                    received += data
            return received

    def pool(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/pool", timeout=PATIENCE_SECONDS) as answer:
            return dict(json.load(answer))

    def check(self, case: Case) -> None:
        """Send a case; raises AssertionError if one of the rules does not hold."""
        before = len(self.upstream.whole)
        received = self.send(case)
        answers = read_answers(received)
        had = self.upstream.whole[before:]
        statuses = [answer.status for answer in answers]
        assert all(status < 500 or status == 501 for status in statuses), f"answered {statuses}"
        assert not self.upstream.malformed, f"the upstream got {self.upstream.malformed[-1]!r}"
        numbers = [answer.number for answer in answers if answer.number is not None]
        assert numbers == had, f"the upstream had {had}, the caller was answered {numbers} {statuses}"
        usual = next((at for at, request in enumerate(case.requests) if request.unusual), len(case.requests))
        assert statuses[:usual] == [200] * usual, f"answered {statuses}, the first {usual} are usual"
        refused = next((at for at, request in enumerate(case.requests) if request.refused), None)
        assert refused is None or len(had) <= refused or _grown(case, refused), f"request {refused} was forwarded"

    def settle(self) -> None:
        """Wait until the pool has no request. Raises AssertionError if one is kept."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while (pool := self.pool())["active"] or pool["waiting"]:
            assert time.monotonic() < ends, f"kept: {pool}"
            time.sleep(0.05)


def _grown(case: Case, refused: int) -> bool:
    """Whether requests before a refused one may be more than they seem, as a short length makes them."""
    return any(request.unusual for request in case.requests[:refused])


@contextlib.contextmanager
def fuzzed(parser: str, client: str = "httpx") -> Iterator[Fuzzed]:
    """Start an upstream and a proxy with this parser and client, and end them."""
    upstream = NumberingUpstream()
    with upstream.serve():
        port = free_port()
        environment = os.environ | {
            "PROXY_UPSTREAM_URL": f"http://127.0.0.1:{upstream.port}",
            "PROXY_PORT": str(port),
            "PROXY_CLIENT": client,
            "UVICORN_HTTP": parser,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await_ready(port, process)
            yield Fuzzed(upstream, port)
        finally:
            process.terminate()
            process.wait(10)


def _await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthy", timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("the proxy did not start")


def each_variant() -> Iterator[tuple[str, Case]]:
    """Every variant of the grammar alone, between two usual requests."""
    for at, variants in enumerate(PARTS):
        for variant in variants:
            yield variant.name or "usual", alone(at, variant)


def _alone(proxy: Fuzzed) -> int:
    failed = 0
    for name, case in each_variant():
        try:
            proxy.check(case)
        except (AssertionError, NotWholeError, TimeoutError) as wrong:
            failed += 1
            print(f"  {name}: {type(wrong).__name__} {wrong}")
            proxy.upstream.malformed.clear()
    return failed


def _drawn(proxy: Fuzzed, requests: int, seed: int) -> int:
    @seeded(seed)
    @settings(
        max_examples=requests,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
    )
    @given(CASES)
    def every_case_holds(case: Case) -> None:
        proxy.check(case)

    try:
        every_case_holds()
    except (AssertionError, NotWholeError, TimeoutError) as wrong:
        print(f"  {type(wrong).__name__}: {wrong}\n" + "\n".join(getattr(wrong, "__notes__", [])))
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5000, help="connections for each parser (default 5000)")
    parser.add_argument("--parser", choices=PARSERS, action="append", help="only this one; may be repeated")
    parser.add_argument("--client", choices=CLIENTS, default="httpx")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="makes a run again")
    options = parser.parse_args()
    failed = 0
    for name in options.parser or PARSERS:
        print(f"{name}, {options.client}, seed {options.seed}", flush=True)
        with fuzzed(name, options.client) as proxy:
            failed += (here := _alone(proxy) + _drawn(proxy, options.requests, options.seed))
            proxy.settle()
        print(f"{name}: {here} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
