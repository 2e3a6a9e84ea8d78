"""Changed rules, words and texts are taken over while the bot runs: proved aside, then at once.

What cannot be proved changes nothing: the rules in force stay, and people are told why.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.errors import Retry
from bot.proving import Proof, files_of, prove, version_of
from bot.rulebook import Rulebook
from bot.store import journal, notices, talk
from bot.store.db import Database, Db
from handlers.reading import Reader

log = structlog.get_logger()
IN_FORCE = "rules_in_force"
"""The act of the audit trail, and the cursor that knows the last version audited."""
_WHO = "system"
_PLACE = re.compile(r"\S+ 第 \d+ 行")
_Look = tuple[tuple[str, int, int, int], ...]


@dataclass
class RuleWatch:
    """Looks at the files of the rules, and takes over what changed and is good.

    Attributes:
        book: The rulebook that all parts were handed; it is filled anew.
        reader: The reader that they were handed, likewise.
        taken: Called inside the change that takes rules over; adds what has to follow.
        version: Of the files in force.
        trouble: Why changed files were not taken over, each with file, line and fix; empty
            when the files are those in force.
    """

    config: Path
    templates: Path
    database: Database
    clock: Clock
    book: Rulebook
    reader: Reader
    taken: Callable[[Db, int], None]
    version: str = ""
    trouble: tuple[str, ...] = ()
    _seen: _Look = ()
    _settled: bool = True
    _refused: str = field(default="", repr=False)

    def begin(self) -> None:
        """Note which rules are in force from the start on."""
        self._seen = self._look()
        self.version = version_of(self.config, self.templates)
        self.database.write(lambda db: self._audit(db, self.version, self.book))

    def look(self) -> bool:
        """Take changed files over once they have rested for one look; True when it did so.

        Costs one ``stat`` a file as long as nothing changes. Whoever saves several files one
        after the other is not told of the state between.
        """
        now = self._look()
        if now != self._seen:
            self._seen, self._settled = now, False
            return False
        if self._settled:
            return False
        before = self.version
        self._settled = self._judge()
        return before != self.version

    def _look(self) -> _Look:
        found = []
        for path in files_of(self.config, self.templates):
            try:
                stat = path.stat()
            except OSError:  # an editor is at it; the next look sees what became of it
                continue
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)

    def _judge(self) -> bool:
        """Take over or refuse what the files are now; False when that has to be done again."""
        try:
            version = version_of(self.config, self.templates)
            if version == self.version:
                self.trouble, self._refused = (), ""
            if version in {self.version, self._refused}:
                return True
            proof = prove(self.config, self.templates)
            if proof.version != version_of(self.config, self.templates):
                return False
        except OSError as trouble:
            log.warning("rules cannot be read", reason=trouble.strerror)
            self.trouble = (f"规则文件读不了({trouble.strerror}),请检查文件夹和权限",)
            return True
        if proof.problems:
            self._refuse(proof)
        else:
            self._take(proof)
        return True

    def _refuse(self, proof: Proof) -> None:
        """Places and numbers go to the log; what the rules say does not."""
        problems = len(proof.problems)
        places = [found.group() for each in proof.problems if (found := _PLACE.match(each))]
        log.warning("changed rules are wrong", problems=problems, places=places[:10])
        now = self._now()
        self.database.write(
            lambda db: journal.note(
                db, "rules_refused", now, problems=problems, rules=proof.version
            )
        )
        self.trouble, self._refused = proof.problems, proof.version

    def _take(self, proof: Proof) -> None:
        """Inside one change, and so between all other changes: none sees half of each.

        If the change is lost, it is not on record either, and the next look does all again.
        """
        book, reader = proof.book, proof.reader
        assert book is not None
        assert reader is not None

        def swap(db: Db) -> None:
            now = self._now()
            self._audit(db, proof.version, book)
            journal.note(db, "rules_taken", now, rules=proof.version)
            self.taken(db, now)
            self.book.become(book)
            self.reader.become(reader)

        self.database.write(swap)
        self.version, self.trouble, self._refused = proof.version, (), ""
        log.info("changed rules are in force", version=proof.version)

    def _audit(self, db: Db, version: str, book: Rulebook) -> None:
        """Which rules and notices are in force, once for each change of them."""
        if talk.cursor(db, IN_FORCE) != version:
            journal.audit(db, _WHO, IN_FORCE, version, self._now())
            talk.move_cursor(db, IN_FORCE, version, self._now())
        notices.put(db, book.thresholds.notices, self._now())

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


class Watching:
    """Looks again and again, in a process whose scheduler does not."""

    def __init__(self, watch: RuleWatch, seconds: float = 1.0) -> None:
        self._watch = watch
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules-watch")

    def start(self) -> None:
        """Look until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._watch.look()
            except Retry as trouble:
                log.warning("rules cannot be taken over yet", reason=str(trouble))
            except Exception:  # the rules in force stay
                log.exception("looking at the rules broke")
