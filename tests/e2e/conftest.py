"""The branch of every end-to-end test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import Caller, employee
from live_branch import SERVERS, Branch, make_keys, open_branch, running_branch
from madeup import MadeUp
from servers import empty_redis, fresh_database, give_back

from bot.store import migrations


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One archive key pair for all tests."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store that nobody has opened; migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty")
    migrations.upgrade(folder / "qunguan.db")
    return folder


@pytest.fixture
def profile() -> str:
    """Embedded, unless a module asks for ``PROFILES``."""
    return "embedded"


@pytest.fixture
def folder(profile: str, tmp_path: Path, empty_store: Path) -> Iterator[Path]:
    """The bot's data folder; of the scaled profile with the addresses of its servers."""
    found = Path(shutil.copytree(empty_store, tmp_path / "var"))
    if profile == "embedded":
        yield found
        return
    servers = {"database_url": fresh_database(), "redis_url": empty_redis()}
    (found / SERVERS).write_text(json.dumps(servers), encoding="utf-8")
    yield found
    give_back(servers["database_url"])


@pytest.fixture
def keys(tmp_path: Path, key_pair: Path) -> Path:
    """A folder of archive keys that the test may change."""
    return Path(shutil.copytree(key_pair, tmp_path / "archive-keys"))


@pytest.fixture
def branch(folder: Path, keys: Path) -> Iterator[Branch]:
    """A bot at work for an almost empty branch."""
    with running_branch(folder, keys) as found:
        yield found


@pytest.fixture
def quiet_branch(folder: Path, keys: Path) -> Iterator[Branch]:
    """The same before the bot starts."""
    with open_branch(folder, keys) as found:
        yield found


@pytest.fixture
def head(madeup: MadeUp, address: str) -> Caller:
    """The head of the made-up branch, signed in."""
    return employee(madeup, address, "zhoujun")


@pytest.fixture
def manager(madeup: MadeUp, address: str) -> Caller:
    """A manager of the made-up branch, signed in."""
    return employee(madeup, address, "chenxy")


@pytest.fixture
def stranger(madeup: MadeUp, address: str) -> Caller:
    """A manager of another branch, signed in."""
    return employee(madeup, address, "qinlan")
