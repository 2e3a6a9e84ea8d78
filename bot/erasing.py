"""Who was erased is also written down beside the store: an older backup does not bring them back.

The file ``erased`` in the data folder holds an id a line, as the bare rows of the store do. At a
start everybody in it who is not erased in the store is erased again.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from bot.store import erasure
from bot.store.db import Database

log = structlog.get_logger()
_ACTOR = "replay"


class ErasureBook:
    """The file.

    Args:
        file: ``QUNGUAN_DATA_DIR/erased``; must not be restored together with the store.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def replay(self, database: Database, now: int) -> int:
        """Erase again whoever a restored store still knows; how many those were."""
        missing = sorted(self._written() - erasure.erased(database.read()))
        for each in missing:
            database.write(lambda db, each=each: erasure.erase_again(db, each, _ACTOR, now))  # type: ignore[misc]  # the default binds the loop's value
        if missing:
            log.warning("erasures were repeated after a restore", people=len(missing))
        return len(missing)

    def keep(self, database: Database) -> int:
        """Write down who was erased since; how many those were."""
        fresh = sorted(erasure.erased(database.read()) - self._written())
        if fresh:
            mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self._file, mode, 0o600), "a", encoding="utf-8") as out:
                out.writelines(f"{each}\n" for each in fresh)
                out.flush()
                os.fsync(out.fileno())
        return len(fresh)

    def _written(self) -> set[str]:
        try:
            return set(self._file.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return set()
