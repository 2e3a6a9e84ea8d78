"""What the contract suites share: a fresh store on every back end, a clock, a vault, the rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backends import BACKENDS, Backend, Place

from bot.clock import SHANGHAI, FixedClock
from bot.rulebook import Rulebook, load_rulebook
from bot.store.db import Database
from bot.vault import Vault

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A fresh store that nobody has opened yet."""
    backend: Backend = request.param
    backend.create(tmp_path)
    yield Place(backend, tmp_path)
    backend.remove(tmp_path)


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda backend: backend.name)
def shared_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A store for tests that undo what they do."""
    backend: Backend = request.param
    folder = tmp_path_factory.mktemp("shared")
    backend.create(folder)
    yield Place(backend, folder)
    backend.remove(folder)


@pytest.fixture
def store(place: Place) -> Iterator[Database]:
    """A fresh store, open."""
    database = place.open()
    yield database
    database.close()


@pytest.fixture
def clock() -> FixedClock:
    """Tuesday, 24 November 2026, ten in the morning at the branch."""
    return FixedClock(datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI).astimezone(UTC))


@pytest.fixture(scope="session")
def vault() -> Vault:
    """Keys of a made-up secret."""
    return Vault("made-up-secret-of-the-tests")


@pytest.fixture(scope="session")
def rules() -> Rulebook:
    """What is shipped in ``config/`` and ``templates/``."""
    return load_rulebook(ROOT / "config", ROOT / "templates")
