"""The branch of every end-to-end test."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from live_branch import Branch, make_keys, open_branch, running_branch


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> None:
    """Errors alone are printed; the log test reads the log of a process of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One archive key pair for all tests."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def keys(tmp_path: Path, key_pair: Path) -> Path:
    """A folder of archive keys that the test may change."""
    return Path(shutil.copytree(key_pair, tmp_path / "archive-keys"))


@pytest.fixture
def branch(tmp_path: Path, keys: Path) -> Iterator[Branch]:
    """A bot at work for an almost empty branch."""
    with running_branch(tmp_path / "var", keys) as found:
        yield found


@pytest.fixture
def quiet_branch(tmp_path: Path, keys: Path) -> Iterator[Branch]:
    """The same before the bot starts."""
    with open_branch(tmp_path / "var", keys) as found:
        yield found
