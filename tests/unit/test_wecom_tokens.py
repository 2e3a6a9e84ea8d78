"""Tokens without a network: who fetches, how long they live, when nobody may ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.errors import Invalid, Refused, Retry
from bot.wecom.tokens import MemoryTokenCache, Secrets, TokenCache, Tokens

SECRETS = Secrets("AGENT-SECRET", archive="ARCHIVE-SECRET")


class Time:
    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now


class Endpoint:
    """Gives ``token-1``, ``token-2`` … or raises what it is told to."""

    def __init__(self, life: float = 7200.0) -> None:
        self.life = life
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    def __call__(self, secret: str) -> tuple[str, float]:
        self.asked.append(secret)
        if self.trouble:
            raise self.trouble
        return f"token-{len(self.asked)}", self.life


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def cache(time: Time) -> MemoryTokenCache:
    return MemoryTokenCache(time.monotonic)


@pytest.fixture
def tokens(endpoint: Endpoint, time: Time, cache: MemoryTokenCache) -> Tokens:
    return _tokens(endpoint, time, cache)


def _tokens(endpoint: Callable[[str], tuple[str, float]], time: Time, cache: TokenCache) -> Tokens:
    return Tokens("ww0000000000000000", SECRETS, cache, endpoint, time.monotonic)


def test_a_token_is_kept_until_five_minutes_before_its_end(
    tokens: Tokens, time: Time, endpoint: Endpoint
) -> None:
    assert tokens.of("agent") == "token-1"
    time.now += 6899
    assert tokens.of("agent") == "token-1"
    time.now += 1
    assert tokens.of("agent") == "token-2"
    assert endpoint.asked == ["AGENT-SECRET"] * 2


def test_a_token_in_its_last_five_minutes_is_not_asked_for_at_every_call(
    tokens: Tokens, endpoint: Endpoint
) -> None:
    endpoint.life = 200.0
    assert [tokens.of("agent") for _ in range(5)] == ["token-1"] * 5


def test_two_programs_with_one_cache_fetch_one_token(
    endpoint: Endpoint, time: Time, cache: MemoryTokenCache
) -> None:
    first, second = (_tokens(endpoint, time, cache) for _ in range(2))
    assert first.of("agent") == second.of("agent")
    assert first.renew("agent", "token-1") == second.renew("agent", "token-1")
    assert len(endpoint.asked) == 2


def test_a_token_that_somebody_renewed_meanwhile_is_taken_as_it_is(
    tokens: Tokens, endpoint: Endpoint
) -> None:
    stale = tokens.of("agent")
    assert [tokens.renew("agent", stale) for _ in range(5)] == ["token-2"] * 5
    assert len(endpoint.asked) == 2


def test_a_wrong_secret_is_stopped_for_everybody_who_shares_the_cache(
    endpoint: Endpoint, time: Time, cache: MemoryTokenCache
) -> None:
    first, second = (_tokens(endpoint, time, cache) for _ in range(2))
    endpoint.trouble = Refused(40001)
    for tokens in (first, second):
        with pytest.raises(Refused):
            tokens.of("agent")
    assert len(endpoint.asked) == 1
    endpoint.trouble = None
    time.now += 3600
    assert second.of("agent") == "token-2"


def test_a_wrong_secret_leaves_the_other_secrets_alone(tokens: Tokens, endpoint: Endpoint) -> None:
    endpoint.trouble = Refused(40001)
    with pytest.raises(Refused):
        tokens.of("agent")
    endpoint.trouble = None
    assert tokens.of("archive") == "token-2"


def test_another_refusal_is_no_reason_to_stop_for_an_hour(
    tokens: Tokens, endpoint: Endpoint
) -> None:
    endpoint.trouble = Refused(60020)
    with pytest.raises(Refused):
        tokens.of("agent")
    endpoint.trouble = None
    assert tokens.of("agent") == "token-2"


def test_a_dead_token_endpoint_is_asked_by_one_and_not_by_all_who_wait(
    tokens: Tokens, endpoint: Endpoint, time: Time
) -> None:
    endpoint.trouble = Retry("no answer", 0.5)
    for _ in range(50):
        with pytest.raises(Retry):
            tokens.of("agent")
    assert len(endpoint.asked) == 1
    endpoint.trouble = None
    time.now += 2
    assert tokens.of("agent") == "token-2"


def test_the_cache_and_its_keys_give_no_secret_away(
    tokens: Tokens, cache: MemoryTokenCache
) -> None:
    tokens.of("agent")
    tokens.stop("archive", 40001)
    assert "SECRET" not in repr(list(cache._kept))  # the keys a shared cache would show


def test_reprs_of_secrets_are_empty() -> None:
    assert repr(SECRETS) == "Secrets()"


def test_calls_without_their_own_secret_use_the_apps_and_the_archive_does_not() -> None:
    only = Secrets("AGENT-SECRET")
    assert (only.of("contact"), only.of("kf")) == ("AGENT-SECRET", "AGENT-SECRET")
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_SECRET"):
        only.of("archive")


def test_something_else_with_a_life_is_kept_beside_the_token(tokens: Tokens, time: Time) -> None:
    fetched: list[str] = []

    def ticket() -> tuple[str, float]:
        fetched.append("ticket")
        return f"ticket-{len(fetched)}", 7200.0

    assert [tokens.cached("agent", "jsapi", ticket) for _ in range(2)] == ["ticket-1"] * 2
    time.now += 6900
    assert tokens.cached("agent", "jsapi", ticket) == "ticket-2"
