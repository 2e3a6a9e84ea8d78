"""D6: who was erased stays erased when an older copy of the store is put back."""

from __future__ import annotations

from pathlib import Path

from bot.erasing import ErasureBook
from bot.store import journal, people
from bot.store.db import Database, Db
from bot.store.erasure import erase


def erased(store: Database) -> dict[str, int]:
    rows = store.read().rows("SELECT external_userid, erased FROM customer ORDER BY 1")
    return {row["external_userid"]: row["erased"] for row in rows}


def test_D6_an_erasure_is_replayed_after_a_restore(store: Database, tmp_path: Path) -> None:
    book = ErasureBook(tmp_path / "erased")
    assert (0, 0) == (book.keep(store), book.replay(store, 0))
    for who in ("wm_a", "wm_b", "wm_c"):
        store.write(lambda db, who=who: people.know_person(db, who, 0))
    store.write(lambda db: [erase(db, who, "cli", 0) for who in ("wm_a", "wm_b")])
    assert (2, 0) == (book.keep(store), book.keep(store))
    assert 0o600 == (tmp_path / "erased").stat().st_mode & 0o777

    def restore(db: Db) -> None:
        """An older copy: one of them is known again, the other was not known yet."""
        db.run("DELETE FROM customer WHERE external_userid = 'wm_b'")
        db.run("UPDATE customer SET erased = 0, name = '周' WHERE external_userid = 'wm_a'")

    store.write(restore)
    assert 2 == book.replay(store, 0)
    assert {"wm_a": 1, "wm_b": 1, "wm_c": 0} == erased(store)
    assert "" == store.read().value("SELECT name FROM customer WHERE external_userid = 'wm_a'")
    assert 0 == book.replay(store, 0)
    assert None is journal.first_broken_link(store.read())
