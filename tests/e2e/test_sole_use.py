"""One data folder, one bot."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.opening import sole_use_of_folder


def test_a_second_bot_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with (
        sole_use_of_folder(tmp_path),
        pytest.raises(Invalid, match="另一个群管"),
        sole_use_of_folder(tmp_path),
    ):
        pass


def test_a_folder_is_free_again_when_its_bot_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_use_of_folder(tmp_path):
            held = (tmp_path / "lock").exists()
        assert held
