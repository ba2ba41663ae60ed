"""The behaviours of a proxy that people may rely on: what was decided, who says so, and how a test of one is written.

`python -m support.behaviours` (with tests/ on the path) writes the table out of the tests: tests/proxy/behaviours.md.
"""

import asyncio
import runpy
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.raw_http import RawUpstream, Script, answer_ok, raw_upstream
from support.servers import RunningProxy, running_proxy

CLIENTS = ("httpx", "httpx2", "aiohttp", "pyreqwest", "httpcore")
PARSERS = {
    "httptools": "proxy.forward.httptools_protocol:HttpToolsConnection",
    "h11": "proxy.forward.h11_protocol:H11Connection",
}
"""The protocol class by the value of UVICORN_HTTP."""

SIDES = {"httptools": CLIENTS, "h11": ("httpcore",)}
"""The clients that a scenario runs with by each parser: what a client does does not depend on it."""

FOLDER = Path(__file__).parents[1] / "proxy"
TABLE = FOLDER / "behaviours.md"

Scenario = Callable[["Stand"], Awaitable[None]]


@dataclass(frozen=True)
class Decision:
    """A row of the table without its last columns."""

    behaviour: str
    decision: str
    source: str


@dataclass(frozen=True)
class Stand:
    """A proxy with one parser and one client between a raw upstream and a raw caller."""

    client: str
    parser: str = "httptools"
    callers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, port: int, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the proxy. The connection ends with `open`, also where a scenario fails: stated differences do."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
        self.callers.append(writer)
        return reader, writer

    @asynccontextmanager
    async def open(
        self, script: Script = answer_ok, *, reads_body: bool = True, host: str = "127.0.0.1", **settings: Any
    ) -> AsyncIterator[tuple[RawUpstream, RunningProxy]]:
        """Open both."""
        async with raw_upstream(script, reads_body=reads_body) as upstream:
            url = f"http://{host}:{upstream.port}"
            async with running_proxy(url, client=self.client, http=PARSERS[self.parser], **settings) as proxy:
                try:
                    yield upstream, proxy
                finally:
                    for writer in self.callers:
                        writer.transport.abort()
                    self.callers.clear()


def behaviour(number: int, *, differs: Mapping[str, str] | None = None) -> Callable[[Scenario], Callable[..., None]]:
    """Make a test of a scenario for each parser, with its clients side by side.

    `differs`: client -> what it does instead.

    Where a difference is stated, the scenario must fail: a table that is too pessimistic is wrong too.
    """
    stated = dict(differs or {})

    def decorate(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("parser", SIDES)
        def test(parser: str) -> None:
            failures = asyncio.run(_failures(scenario, parser))
            for client, failure in failures.items():
                if client not in stated:
                    raise AssertionError(f"{client}: {failure}") from failure
            unseen = {client: stated[client] for client in stated if client in SIDES[parser] and client not in failures}
            assert not unseen, "stated differences that are not seen"

        # not functools.wraps: with __wrapped__ pytest would take the scenario's parameters for fixtures
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(test, name, getattr(scenario, name))
        vars(test)["behaviour"] = (number, stated)
        return test

    return decorate


async def _failures(scenario: Scenario, parser: str) -> dict[str, Exception]:
    """Run a scenario with each client of a parser, side by side, and return what went wrong with which."""

    async def run(client: str) -> None:
        async with asyncio.timeout(20):
            await scenario(Stand(client, parser))

    clients = SIDES[parser]
    outcomes = await asyncio.gather(*[run(client) for client in clients], return_exceptions=True)
    failures = {}
    for client, outcome in zip(clients, outcomes, strict=True):
        if isinstance(outcome, Exception):
            failures[client] = outcome
        elif outcome is not None:
            raise outcome
    return failures


def checks() -> list[tuple[int, Mapping[str, str]]]:
    """Return number and differences of every test there is."""
    found: list[tuple[int, Mapping[str, str]]] = []
    for path in sorted(FOLDER.glob("test_behaviours_*.py")):
        for value in runpy.run_path(str(path)).values():
            marked: Any = getattr(value, "behaviour", None)
            if marked is not None:
                found.append(marked)
    return found


def table() -> str:
    """Return the table as the tests make it."""
    from support.behaviour_table import DECISIONS, LIMITS
    from support.odd_answers import table as odd_answers

    lines = [
        "# What the proxy does, case by case",
        "",
        "Made by the tests (`python -m support.behaviours` in `tests/`); each row is held by tests on real sockets, a",
        "raw upstream and a raw caller, with every client by httptools, and with httpcore by h11 (`UVICORN_HTTP`).",
        "`yes`: as decided. A number: see the differences below.",
        "",
        "| # | behaviour | decision | source | tests | " + " | ".join(CLIENTS) + " |",
        "|---" * (5 + len(CLIENTS)) + "|",
    ]
    found = checks()
    notes: list[str] = []
    for number, row in DECISIONS.items():
        of_row = [differs for at, differs in found if at == number]
        cells = []
        for client in CLIENTS:
            stated = [f"{client}: {differs[client]} (row {number})" for differs in of_row if client in differs]
            notes += stated
            cells.append(", ".join(f"[{notes.index(note) + 1}]" for note in stated) or "yes")
        fixed = [str(number), row.behaviour, row.decision, row.source, str(len(of_row))]
        lines.append("| " + " | ".join([*fixed, *cells]) + " |")
    lines += ["", "## Differences by client", ""]
    lines += [f"{index}. {note}" for index, note in enumerate(notes, 1)]
    lines += ["", "## Limits of the server in front, whatever the client", ""]
    lines += [f"* {limit}" for limit in LIMITS]
    lines += ["", "## Odd answers of an upstream", ""]
    lines += [
        "`support/odd_answers.py` has some 200, each tried with every client. Where RFC 9112 leaves it open, or a",
        "library has a limit or a leniency of its own, a caller sees different things: `502` is",
        "`upstream_protocol_error`, `cut` an answer that began and visibly has no end.",
        "",
        "| answer | " + " | ".join(CLIENTS) + " |",
        "|---" * (1 + len(CLIENTS)) + "|",
        *odd_answers(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(table())
    else:
        TABLE.write_text(table())
