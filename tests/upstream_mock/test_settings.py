"""Settings: what is allowed, and the one line each mistake gets."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service_kit.exits import UsageError
from service_kit.settings_errors import load
from service_kit.variables import allowed, help_table, variable_name
from upstream_mock.faults.runtime.parse import allowed as allowed_faults
from upstream_mock.settings import LATENCIES, Settings

FAULTS = allowed_faults()
PORTS = "allowed: 1 to 65535"
MISTAKES = [
    ("UPSTREAM_HOST", "a b", f"not a host name or an IP address; {'allowed: an IP address or a host name'}"),
    ("UPSTREAM_PORT", "ten", f"not a whole number; {PORTS}"),
    ("UPSTREAM_PORT", "10.0", f"not a whole number; {PORTS}"),
    ("UPSTREAM_PORT", "1_000", f"not a whole number; {PORTS}"),
    ("UPSTREAM_PORT", "0", f"too small; {PORTS}"),
    ("UPSTREAM_PORT", "65536", f"too large; {PORTS}"),
    ("UPSTREAM_PORT", "-1", f"too small; {PORTS}"),
    ("UPSTREAM_CONTROL_PORT", "x", f"not a whole number; {PORTS}"),
    ("UPSTREAM_CONTROL_PORT", "8001", f"the same as UPSTREAM_PORT; {PORTS}"),
    ("UPSTREAM_LATENCY", "100ms", f"not a distribution; allowed: {LATENCIES}"),
    (
        "UPSTREAM_LATENCY",
        "constant(100)",
        f"'100' is not a duration (a number and us, ms or s); allowed: {LATENCIES}",
    ),
    ("UPSTREAM_SEED", "-1", "too small; allowed: 0 to 4294967295"),
    ("UPSTREAM_SEED", "9" * 5000, "too large; allowed: 0 to 4294967295"),
    ("UPSTREAM_CAPACITY", "0", "too small; allowed: 1 to 100000"),
    ("UPSTREAM_CAPACITY", "none", "not a whole number; allowed: 1 to 100000"),
    ("UPSTREAM_PAYLOAD_BYTES", "-5", "too small; allowed: 0 to 100000000"),
    ("UPSTREAM_QUEUE", "-1", "too small; allowed: 0 to 1000000"),
    ("UPSTREAM_CHUNKS", "0", "too small; allowed: 1 to 10000"),
    ("UPSTREAM_CHUNK_GAP_MS", "1s", "not a number; allowed: 0 to 60000"),
    ("UPSTREAM_ENCODING", "br", "not one of these; allowed: identity, gzip"),
    ("UPSTREAM_FRAMING", "none", "not one of these; allowed: content-length, chunked, close"),
    ("UPSTREAM_TRAILERS", "maybe", "not one of these; allowed: true, false"),
    ("UPSTREAM_CONTENT", "xml", "not one of these; allowed: json, sse"),
    ("UPSTREAM_ERROR_RATE", "1.5", "too large; allowed: 0 to 1"),
    ("UPSTREAM_ERROR_RATE", "nan", "not a number; allowed: 0 to 1"),
    ("UPSTREAM_ERROR_RATE", "5%", "not a number; allowed: 0 to 1"),
    ("UPSTREAM_FAULT", "EMTPY_RESPONSE", f"no such fault; did you mean EMPTY_RESPONSE?; allowed: {FAULTS}"),
    ("UPSTREAM_FAULT", ";", f"names no fault; allowed: {FAULTS}"),
    ("UPSTREAM_FAULT_RATE", "2", "too large; allowed: 0 to 1"),
    ("UPSTREAM_KEEPALIVE_SECONDS", "inf", "not a number; allowed: 0 to 86400"),
    ("UPSTREAM_KEEPALIVE_SECONDS", "-1", "too small; allowed: 0 to 86400"),
    ("UPSTREAM_MAX_REQUESTS_PER_CONNECTION", "0", "too small; allowed: 1 to 1000000"),
    ("UPSTREAM_ACCEPT_PER_SECOND", "0", "too small; allowed: 0.1 to 10000"),
    ("UPSTREAM_BACKLOG", "0", "too small; allowed: 1 to 65535"),
    ("UPSTREAM_TLS", "true", "not one of these; allowed: off, on, 1.2, 1.3"),
    (
        "UPSTREAM_HTTP2",
        "true",
        "needs UPSTREAM_TLS; allowed: true or false, and true only with UPSTREAM_TLS and without UPSTREAM_FAULT",
    ),
    (
        "UPSTREAM_HTTP2",
        "2",
        "neither true nor false; allowed: true or false, and true only with UPSTREAM_TLS and without UPSTREAM_FAULT",
    ),
    ("UPSTREAM_LOG_ENTRIES", "all", "not a whole number; allowed: 0 to 1000000"),
]


@pytest.mark.parametrize(
    ("name", "value", "line"), MISTAKES, ids=[f"{name}={value[:12]}" for name, value, _ in MISTAKES]
)
def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """A bad value is named with its variable, what is wrong, and what is allowed."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    assert caught.value.lines == [f"{name}={value!r}: {line}"]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"UPSTREAM_TRAILERS": "true", "UPSTREAM_FRAMING": "close"},
            "UPSTREAM_TRAILERS='true': there are no trailers with close, only with chunked; allowed: true, false",
        ),
        (
            {"UPSTREAM_CONTENT": "sse", "UPSTREAM_CHUNKS": "20", "UPSTREAM_PAYLOAD_BYTES": "159"},
            "UPSTREAM_CONTENT='sse': 20 events need 160 bytes at least, not 159; allowed: json, sse",
        ),
        (
            {"UPSTREAM_CONTENT": "sse", "UPSTREAM_CHUNKS": "x"},
            "UPSTREAM_CHUNKS='x': not a whole number; allowed: 1 to 10000",
        ),
    ],
)
def test_variables_that_cannot_stand_together(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    """The later of them is named, and what it would need."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    assert caught.value.lines == [line]


def test_a_bad_file_of_latencies_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything listens."""
    file = tmp_path / "latencies.txt"
    file.write_text("10ms\nsoon\n")
    monkeypatch.setenv("UPSTREAM_LATENCY", f"empirical({file})")
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    wrong = f"{file}:2: 'soon' is not a duration (a number and us, ms or s)"
    assert caught.value.lines == [f"UPSTREAM_LATENCY='empirical({file})': {wrong}; allowed: {LATENCIES}"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("UPSTREAM_PROT", "no such variable; did you mean UPSTREAM_PORT?"),
        ("UPSTREAM_LATENCY_MS", "no such variable; did you mean UPSTREAM_LATENCY?"),
        ("UPSTREAM_XYZZY", "no such variable"),
    ],
)
def test_an_unknown_variable_is_a_mistake(monkeypatch: pytest.MonkeyPatch, name: str, line: str) -> None:
    """A variable with our prefix that means nothing is refused, with the nearest name if one is near."""
    monkeypatch.setenv(name, "5")
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    assert caught.value.lines == [f"{name}='5': {line}"]


def test_all_mistakes_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three mistakes are three lines, so that one round mends them all."""
    for name in ("UPSTREAM_PORT", "UPSTREAM_CAPACITY", "UPSTREAM_NOTHING"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    assert [line.partition("=")[0] for line in caught.value.lines] == [
        "UPSTREAM_NOTHING",
        "UPSTREAM_PORT",
        "UPSTREAM_CAPACITY",
    ]


@pytest.mark.parametrize(
    "name", [*(variable_name(Settings, name) for name in Settings.model_fields), "UPSTREAM_NO_SUCH_THING"]
)
def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose passes what is not set as the empty string."""
    monkeypatch.setenv(name, "")
    assert load(Settings)[0] == Settings()


def test_good_values_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable reaches its field."""
    given = {
        "UPSTREAM_HOST": "0.0.0.0",
        "UPSTREAM_PORT": 1,
        "UPSTREAM_CONTROL_PORT": 65535,
        "UPSTREAM_LATENCY": "lognormal(100ms, p99=400ms)",
        "UPSTREAM_SEED": 7,
        "UPSTREAM_CAPACITY": 3,
        "UPSTREAM_QUEUE": 0,
        "UPSTREAM_PAYLOAD_BYTES": 800,
        "UPSTREAM_ERROR_RATE": 0.25,
        "UPSTREAM_CHUNKS": 100,
        "UPSTREAM_CHUNK_GAP_MS": 0.5,
        "UPSTREAM_ENCODING": "gzip",
        "UPSTREAM_FRAMING": "chunked",
        "UPSTREAM_TRAILERS": True,
        "UPSTREAM_CONTENT": "sse",
        "UPSTREAM_FAULT": "STATUS_503 rate=0.5; LIMIT_DATA after=1000 path=/work",
        "UPSTREAM_FAULT_RATE": 0.125,
        "UPSTREAM_KEEPALIVE_SECONDS": 0.5,
        "UPSTREAM_MAX_REQUESTS_PER_CONNECTION": 100,
        "UPSTREAM_ACCEPT_PER_SECOND": 2.5,
        "UPSTREAM_BACKLOG": 1,
        "UPSTREAM_TLS": "1.3",
        "UPSTREAM_TLS_DIRECTORY": "/certificates",
        "UPSTREAM_HTTP2": False,
        "UPSTREAM_LOG_ENTRIES": 0,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, str(value).lower() if isinstance(value, bool) else str(value))
    assert load(Settings)[0].variables() == given


def test_faults_and_http2_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault reaches beneath HTTP/1.1 only: a run that asks for both would see fewer than it asked for."""
    monkeypatch.setenv("UPSTREAM_TLS", "on")
    monkeypatch.setenv("UPSTREAM_HTTP2", "true")
    assert load(Settings)[0].http2
    monkeypatch.setenv("UPSTREAM_FAULT", "EMPTY_RESPONSE")
    with pytest.raises(UsageError) as caught:
        load(Settings)[0]
    allowed_too = "allowed: true or false, and true only with UPSTREAM_TLS and without UPSTREAM_FAULT"
    assert caught.value.lines == [f"UPSTREAM_HTTP2='true': the faults of UPSTREAM_FAULT are of HTTP/1.1; {allowed_too}"]


def test_the_control_port_must_differ_from_a_moved_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default is checked too: UPSTREAM_PORT on the control port's default cannot work."""
    monkeypatch.setenv("UPSTREAM_PORT", "8091")
    with pytest.raises(UsageError, match=r"^UPSTREAM_CONTROL_PORT='8091': the same as UPSTREAM_PORT"):
        load(Settings)[0]


def test_settings_are_frozen() -> None:
    """They do not change while the mock runs."""
    with pytest.raises(ValidationError):
        Settings().port = 5  # type: ignore[misc]


def test_every_field_describes_what_it_means_and_what_is_allowed() -> None:
    """README's table is made from descriptions, the error lines from bounds or words."""
    table = help_table([Settings])
    for name, field in Settings.model_fields.items():
        assert field.description
        assert field.description.endswith(".")
        assert allowed(Settings, name)
        assert variable_name(Settings, name) in table


def test_the_keep_alive_outlives_httpx() -> None:
    """A server that closes first makes the client's next request fail."""
    import httpx

    assert Settings().keepalive_seconds > (httpx.Limits().keepalive_expiry or 0)
