"""``qunguan check`` against the stand-in: what is right passes, what is wrong says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bot_process import FileClock, process_branch
from model_stub import Said, facts, running_model, words
from servers import empty_redis, fresh_database, give_back, redis_server

from bot.checking import Result, run_checks


@pytest.fixture
def wired(
    folder: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The environment of a bot wired to a stand-in; its data folder."""
    with process_branch(folder, keys, FileClock(folder)) as (bot, _sandbox):
        for name, value in bot.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield folder


def results() -> dict[str, Result]:
    return {each.name: each for each in run_checks()}


@pytest.mark.usefixtures("wired")
def test_a_bot_that_is_wired_right_passes() -> None:
    found = results()
    assert [each.line() for each in found.values() if not each.good] == []
    assert {"设置", "存储", "审计记录", "客户联系", "回调密钥", "会话存档"} <= found.keys()


def test_U3_an_audit_row_changed_from_outside_fails_the_check(wired: Path) -> None:
    with closing(sqlite3.connect(wired / "qunguan.db")) as db, db:
        db.execute(
            "INSERT INTO audit (at, actor, act, object, why, previous, hash)"
            " VALUES (1, 'lin', 'refuse', 's1', '{}', '', 'made-up')"
        )
    found = results()
    assert not found["审计记录"].good
    assert "第 1 行起" in found["审计记录"].words
    assert found["存储"].good


@pytest.mark.usefixtures("wired")
def test_a_wrong_secret_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WECOM_AGENT_SECRET", "wrong")
    found = results()["应用凭证和可信 IP"]
    assert not found.good
    assert "Secret" in found.words


@pytest.mark.usefixtures("wired")
def test_without_settings_nothing_else_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUNGUAN_SECRET_KEY", "short")
    (only,) = run_checks()
    assert not only.good
    assert "QUNGUAN_SECRET_KEY" in only.words


INFLOW = {"type": "cash.inflow", "value": {"amount": 200_000}, "evidence": "二十万的货款到账"}


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize(
    ("answer", "good", "told"),
    [
        (facts(INFLOW), True, "得到 1 条事实"),
        (words("好的"), False, "换一个模型"),
        (Said(b"{}", 401), False, "HTTP 401"),
    ],
)
def test_a_language_model_is_tried_on_a_made_up_line(
    monkeypatch: pytest.MonkeyPatch, answer: Said, *, good: bool, told: str
) -> None:
    with running_model() as stub:
        stub.say(answer)
        monkeypatch.setenv("QUNGUAN_MODEL_URL", stub.url)
        monkeypatch.setenv("QUNGUAN_MODEL_NAME", "qwen")
        found = results()["语言模型"]
    assert (found.good, told in found.words) == (good, True)


@pytest.mark.usefixtures("wired")
def test_a_language_model_needs_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUNGUAN_MODEL_URL", "http://127.0.0.1:9/v1")
    (only,) = run_checks()
    assert (only.good, "QUNGUAN_MODEL_NAME" in only.words) == (False, True)


# -- on PostgreSQL and Redis


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database and a Redis of the tests' own, which forgets when the power fails."""
    url = fresh_database()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", empty_redis())
    yield
    give_back(url)


@pytest.mark.usefixtures("wired", "servers")
def test_what_a_power_cut_would_lose_is_told_of_both_servers() -> None:
    found = results()
    assert "PostgreSQL" in found["存储"].words
    assert found["Redis"].good
    # The tests' server runs without fsync, for speed.
    assert not found["落盘"].good
    assert "fsync" in found["落盘"].words
    with redis_client() as client:
        client.config_set("appendfsync", "everysec")
        try:
            words = results()["Redis"].words
        finally:
            client.config_set("appendfsync", "always")
    assert "appendfsync always" in words


@pytest.mark.usefixtures("wired", "servers")
def test_servers_that_do_not_answer_are_told_with_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    assert "REDIS_URL" in results()["Redis"].words
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    found = results()
    assert not found["存储"].good
    assert "DATABASE_URL" in found["存储"].words


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    found = results()["设置"]
    assert not found.good
    assert name in found.words


def redis_client() -> Any:
    import redis  # noqa: PLC0415  # where there is a client

    return redis.Redis.from_url(redis_server().url)
