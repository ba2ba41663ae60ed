"""What can be asked and changed while the mock runs: GET and PUT /-/faults, and a fault for one request."""

import json
from typing import Any

import httpx
import pytest

from support.mock_upstream import RunMock
from upstream_mock.faults.runtime.parse import MOST_CHARACTERS


def client_of(port: int) -> httpx.AsyncClient:
    """A client of a port."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")


async def test_the_page(run_mock: RunMock) -> None:
    """GET shows what is in force; PUT replaces it, as text and as JSON, and counts from the beginning."""
    async with run_mock(latency="constant(0ms)", fault="STATUS_503 first=1", fault_rate=0.5) as running:
        mock = running.mock
        async with client_of(running.control) as client:
            page = (await client.get("/-/faults")).json()
            assert page == {
                "rules": ["STATUS_503 first=1"],
                "in_force": [{"rule": "STATUS_503 first=1", "rate": 0.5, "seen": 0, "applied": 0}],
                "applied": {},
            }
            answer = await client.put("/-/faults", content="STATUS_500  first=2 rate=1;STATUS_404 rate=1 path=/get")
            assert answer.status_code == 200
            assert answer.json()["rules"] == ["STATUS_500 first=2 rate=1", "STATUS_404 rate=1 path=/get"]
            assert [(await running.ask("GET /work"))[0] for _ in range(3)] == [500, 500, 200]
            assert (await running.ask("GET /get"))[0] == 404
            page = (await client.get("/-/faults")).json()
            assert [(each["seen"], each["applied"]) for each in page["in_force"]] == [(4, 2), (1, 1)]
            assert page["applied"] == mock.stats()["faults"] == {"STATUS_500": 2, "STATUS_404": 1}

            # Counts stay, the rules begin anew: GET's own list is a PUT.
            await client.put("/-/faults", json={"rules": page["rules"]})
            assert [(await running.ask("GET /work"))[0] for _ in range(3)] == [500, 500, 200]
            assert mock.stats()["faults"]["STATUS_500"] == 4
            metrics = (await client.get("/-/metrics")).text
            assert 'upstream_faults_total{fault="STATUS_500"} 4\n' in metrics

            await client.post("/-/reset")
            assert mock.stats()["faults"] == {}
            assert [(await running.ask("GET /work"))[0] for _ in range(3)] == [500, 500, 200]

            bodies: tuple[dict[str, Any], ...] = ({"content": ""}, {"json": {"rules": []}}, {"json": {"rules": ""}})
            for nothing in bodies:
                await client.put("/-/faults", content="STATUS_500 rate=1")
                assert (await client.put("/-/faults", **nothing)).json()["rules"] == []
                assert (await running.ask("GET /work"))[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "line"),
    [
        (b"STATUS_503; EMTPY_RESPONSE", "text/plain", "rule 2: no such fault; did you mean EMPTY_RESPONSE?"),
        (b"STATUS_503 rate=2", "application/x-www-form-urlencoded", "rate: '2' is not a number from 0 to 1"),
        (b"STATUS_503\xff", "text/plain", "not UTF-8"),
        (b"S" * (MOST_CHARACTERS + 1), "text/plain", "longer than 4096 characters"),
        (b"{", "application/json", "not JSON"),
        (b"[" * 5000, "application/json", "not JSON"),
        (b"[]", "application/json", 'not {"rules": ["NAME ...", ...]}'),
        (b'{"rules": [{}]}', "application/json", 'not {"rules": ["NAME ...", ...]}'),
        (b'{"rules": ["STATUS_503"], "rate": 1}', "application/json", 'not {"rules": ["NAME ...", ...]}'),
        (b'{"rules": ["STATUS_503", "X"]}', "application/json; charset=utf-8", "rule 2: no such fault"),
    ],
)
async def test_a_mistake_changes_nothing(run_mock: RunMock, body: bytes, kind: str, line: str) -> None:
    """400 and one line."""
    async with run_mock(latency="constant(0ms)", fault="STATUS_503") as running:
        async with client_of(running.control) as client:
            answer = await client.put("/-/faults", content=body, headers={"content-type": kind})
            assert (answer.status_code, answer.json()) == (400, {"mistakes": [line]})
            assert (await client.get("/-/faults")).json()["rules"] == ["STATUS_503"]
        assert (await running.ask("GET /work"))[0] == 503


async def test_a_body_that_is_too_long_changes_nothing(run_mock: RunMock) -> None:
    async with (
        run_mock(latency="constant(0ms)", fault="STATUS_503") as running,
        client_of(running.control) as client,
    ):
        answer = await client.put("/-/faults", content=b"S" * 3 * MOST_CHARACTERS)
        assert (answer.status_code, answer.json()) == (413, {"mistakes": ["the body is longer than 8192 bytes"]})
        assert (await client.get("/-/faults")).json()["rules"] == ["STATUS_503"]


async def test_one_request_asks_for_a_fault(run_mock: RunMock) -> None:
    """By query or by header, whatever rules are in force; it is counted, and a mistake is 400 and one line."""
    async with run_mock(latency="constant(0ms)") as running, client_of(running.data) as client:
        for path in ("/work", "/get", "/nothing-here"):
            assert (await client.get(path, params={"fault": "STATUS_503"})).status_code == 503
            assert (await client.get(path, headers={"X-Upstream-Fault": "STATUS_429"})).status_code == 429
        both = await client.get("/work?fault=STATUS_503", headers={"x-upstream-fault": "STATUS_429"})
        assert both.status_code == 503
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/get?a=1&fault=LIMIT_DATA+after%3D10")
        assert running.mock.stats()["faults"] == {"STATUS_503": 4, "STATUS_429": 3, "LIMIT_DATA": 1}

        for query in ("fault=", "default=1", "defaults=fault"):
            assert (await client.get(f"/work?{query}")).status_code == 200
        for query, line in (
            ("EMTPY_RESPONSE", "no such fault; did you mean EMPTY_RESPONSE?"),
            ("STATUS_503 rate=1", "'rate=1' is no parameter of STATUS_503, which takes nothing"),
            ("STATUS_503;STATUS_503", "no such fault"),
            ("STALL_IN_BODY delay=2000000s", "delay: '2000000s' is longer than 3600s"),
        ):
            answer = await client.post("/work", params={"fault": query}, content=b"unread")
            assert answer.status_code == 400
            assert answer.json() == {"detail": f"fault={query!r}: {line}"}
            named = await client.get("/get", headers={"x-upstream-fault": query})
            assert named.json() == {"detail": f"x-upstream-fault={query!r}: {line}"}


async def test_a_server_that_gives_no_connection_away_has_no_faults() -> None:
    """HTTP/2's, for one: no rule applies, and a request that asks for a fault gets 400."""
    from upstream_mock.app import create_app
    from upstream_mock.settings import Settings

    app = create_app(Settings(latency="constant(0ms)", fault="EMPTY_RESPONSE"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
        assert (await client.get("/work")).status_code == 200
        answer = await client.get("/work?fault=EMPTY_RESPONSE")
        assert answer.status_code == 400
        assert json.loads(answer.content)["detail"] == "fault='EMPTY_RESPONSE': faults are of HTTP/1.1"
