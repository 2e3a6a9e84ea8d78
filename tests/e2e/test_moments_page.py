"""Moments among what was sent: one is told from a mass send."""

from __future__ import annotations

from caller import Caller
from madeup import MadeUp


def test_a_moment_is_shown_with_the_mass_sends_and_told_from_them(
    madeup: MadeUp, head: Caller
) -> None:
    assert "朋友圈" not in head.get("/pushes?on=all").text
    before = madeup.database.read().value("SELECT min(id) FROM push WHERE chat_id IS NULL")
    madeup.write(lambda db: db.run("UPDATE push SET channel = 'moments' WHERE id = :id", id=before))
    assert head.get("/pushes?on=all").text.count("朋友圈") == 1
    assert "朋友圈" in head.get(f"/pushes/{before}").text
