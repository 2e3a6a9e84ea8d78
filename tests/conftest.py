"""The made-up branch of ``madeup.py`` for tests of the site; imported only where it is used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from madeup import MadeUp, Stage

settings.register_profile(
    "qunguan",
    database=None,  # no folder of examples beside the sources
    deadline=None,  # machines differ, and no test asserts speed
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("qunguan")


def _errors_alone(_logger: Any, level: str, event: Any) -> Any:
    if level in {"error", "exception", "critical"}:
        return event
    raise structlog.DropEvent


def pytest_configure() -> None:
    """Errors alone are printed, a line each: drawing a traceback holds a loop for seconds.

    Every level is let through, so that ``capture_logs`` sees everything.
    """
    structlog.reset_defaults()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(0),
        processors=[
            _errors_alone,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


@pytest.fixture(autouse=True)
def _logs() -> None:
    """Whatever a command or another folder's tests set up for their logs ends with the test."""
    pytest_configure()


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a filled store that nobody has open; copied for each test."""
    from madeup import build_branch  # noqa: PLC0415  # unit tests need not wait for FastAPI

    folder = tmp_path_factory.mktemp("branch")
    build_branch(folder).database.close()
    return folder


@pytest.fixture
def madeup(filled_store: Path, tmp_path: Path) -> Iterator[MadeUp]:
    """The made-up branch, this test's own."""
    from madeup import open_branch  # noqa: PLC0415  # as above

    shutil.copytree(filled_store, tmp_path / "store")
    found = open_branch(tmp_path / "store")
    yield found
    found.database.close()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """One server for all tests of the site: starting one costs more than most tests."""
    from madeup import Stage  # noqa: PLC0415  # as above

    with Stage() as found:
        yield found


@pytest.fixture
def address(madeup: MadeUp, stage: Stage) -> str:
    """Where the branch's site is served."""
    return stage.show(madeup)
