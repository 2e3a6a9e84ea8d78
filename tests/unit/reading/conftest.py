from __future__ import annotations

from pathlib import Path

import pytest

from handlers.reading import Reader

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="session")
def reader() -> Reader:
    return Reader.load(CONFIG)
