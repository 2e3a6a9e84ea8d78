"""Processes are killed here; how often and under how much load depends on who asks.

``make test`` runs a bounded number, ``make faults`` (which names the marker) all of them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import structlog

# The branch and the process are those of the end-to-end tests, the stores of the contract tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from live_branch import make_keys
from load import ALL, BOUNDED, Load

from bot.rulebook import Rulebook, load_rulebook
from bot.store import migrations

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet(_logs: None) -> None:
    """What fails here fails a hundred thousand times, and on purpose."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture(scope="session")
def load(request: pytest.FixtureRequest) -> Load:
    return ALL if "slow" in request.config.option.markexpr else BOUNDED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bot's data folder, with an empty store that is up to date."""
    found = tmp_path / "var"
    migrations.upgrade(found / "qunguan.db")
    return found


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def keys(tmp_path: Path, key_pair: Path) -> Path:
    return Path(shutil.copytree(key_pair, tmp_path / "archive-keys"))


@pytest.fixture(scope="session")
def rules() -> Rulebook:
    """What is shipped in ``config/`` and ``templates/``."""
    return load_rulebook(ROOT / "config", ROOT / "templates")
