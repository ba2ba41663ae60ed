"""The known name that a misspelt one means."""

import pytest

from service_kit.name_match import did_you_mean, nearest_names

KNOWN = [
    "P_MAX_CONNECTIONS",
    "P_MAX_KEEPALIVE_CONNECTIONS",
    "P_KEEPALIVE_EXPIRY_SECONDS",
    "P_TCP_KEEPALIVE_SECONDS",
    "P_READ_TIMEOUT_SECONDS",
    "P_POOL_TIMEOUT_SECONDS",
    "P_UPSTREAM_URL",
    "P_RETRIES",
    "N_RTT_MS",
    "N_RETRY",
]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("P_KEEPALIVE", "P_KEEPALIVE_EXPIRY_SECONDS"),  # not TCP_KEEPALIVE, which has the fewest letters
        ("P_KEEP_ALIVE", "P_KEEPALIVE_EXPIRY_SECONDS"),
        ("P_KEEPALIVE_CONNECTIONS", "P_MAX_KEEPALIVE_CONNECTIONS"),
        ("P_CONNECTIONS", "P_MAX_CONNECTIONS"),
        ("P_MAX_CONECTIONS", "P_MAX_CONNECTIONS"),
        ("P_CONNECTIONS_MAX", "P_MAX_CONNECTIONS"),
        ("P_MAX_CONN", "P_MAX_CONNECTIONS"),
        ("P_MAXCONNECTIONS", "P_MAX_CONNECTIONS"),
        ("p_read_timeout", "P_READ_TIMEOUT_SECONDS"),
        ("P_URL", "P_UPSTREAM_URL"),
        ("P_RETRY", "P_RETRIES"),
        ("N_RTTMS", "N_RTT_MS"),
        ("N_RTT", "N_RTT_MS"),
    ],
)
def test_the_nearest_name_shares_the_most_words(given: str, meant: str) -> None:
    assert nearest_names(given, KNOWN, ["P_", "N_"]) == [meant]


def test_names_that_share_the_same_words_are_all_suggested() -> None:
    assert did_you_mean("P_TIMEOUT", KNOWN, ["P_"]) == (
        "; did you mean P_READ_TIMEOUT_SECONDS or P_POOL_TIMEOUT_SECONDS?"
    )


@pytest.mark.parametrize("given", ["P_COLOUR", "P_POOL_SIZE", "P_"])
def test_what_has_too_little_in_common_is_not_suggested(given: str) -> None:
    assert did_you_mean(given, KNOWN, ["P_", "N_"]) == ""
