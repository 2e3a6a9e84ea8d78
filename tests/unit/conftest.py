"""Unit tests get no network: a socket opened by one of them is an error."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_network(socket_disabled: None) -> None:
    """Every unit test, without asking."""
