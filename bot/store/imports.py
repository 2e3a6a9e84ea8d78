"""Taking in the bank's files: batches, full statements, rows that wait for their person.

A file is worked in transactions of a thousand rows, so that callbacks are kept meanwhile; a
crash leaves whole batches, and the same file again finishes the work, because every row is
compared with what is remembered before it is written.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import structlog

from bot.clock import Clock, today
from bot.errors import Invalid
from bot.importing import ImportReport, Row, RowProblem, open_sheet, table_of
from bot.store import notices
from bot.store.db import Database, Db
from bot.store.intake import PLANNERS, Derivation, Intake, Plan
from bot.store.library import OFFERS, PRODUCTS, Library
from bot.store.listings import LISTINGS
from bot.store.matching import fetch
from bot.store.standing import touch_holders
from bot.vault import Vault

__all__ = ["Derivation", "import_file", "import_rows", "resolve_unmatched"]

_STATED = {"holdings": "account_ref", "products": "code", "offers": "code"}
"""Kinds of which a full statement closes what it lacks, and what names a row."""
_TITLES = {
    "holdings": ("账户标识", "账户"),
    "products": ("代码", "产品"),
    "offers": ("代码", "权益"),
}
_LIBRARIES = {"products": PRODUCTS, "offers": OFFERS}
_BATCH = 1000
_CLOSE_BATCH = 2000
_SHARES = 256
_WAIT = """
INSERT INTO unmatched (kind, row_key, core_id, phone_hash, row_sealed, imported_at)
VALUES (:kind, :row_key, :core_id, :phone_hash, :row_sealed, :imported_at)
ON CONFLICT (kind, row_key) DO UPDATE SET core_id = excluded.core_id,
  phone_hash = excluded.phone_hash, row_sealed = excluded.row_sealed,
  imported_at = excluded.imported_at
"""
_WAIT_NO_MORE = "DELETE FROM unmatched WHERE kind = :kind AND row_key = :row_key"
# Two searches by index, and none by the kind: that would read every row that waits.
_WAITING_FOR = """
SELECT id, row_sealed FROM unmatched
WHERE kind || '' = :kind AND id IN (
  SELECT u.id FROM customer c JOIN unmatched u ON u.phone_hash = c.phone_hash
  WHERE c.external_userid = :external_userid
  UNION SELECT u.id FROM customer c JOIN unmatched u ON u.core_id = c.core_id
  WHERE c.external_userid = :external_userid)
ORDER BY id
"""
# Only accounts that the statement could have listed: not those of a newer one.
_OPEN_ACCOUNTS = """
SELECT account_ref FROM holding
WHERE account_ref > :after AND status = 'open' AND (as_of IS NULL OR as_of <= :as_of)
ORDER BY account_ref LIMIT :limit
"""
_CLOSE = """
UPDATE holding SET status = 'closed', as_of = :as_of
WHERE account_ref = :account_ref AND status = 'open'
"""
_WAITING_ACCOUNTS = """
SELECT row_key, row_sealed FROM unmatched
WHERE kind = 'holdings' AND row_key > :after ORDER BY row_key LIMIT :limit
"""
_KEEP_RUN = """
INSERT INTO import_run (kind, file_hash, actor, at, summary)
VALUES (:kind, :file_hash, :actor, :at, :summary)
"""
_NEWEST = "SELECT summary FROM import_run WHERE kind = 'customers' AND summary LIKE '%as_of%'"

log = structlog.get_logger()


def import_file(
    database: Database,
    vault: Vault,
    clock: Clock,
    path: Path,
    kind: str,
    *,
    as_of: date | None,
    actor: str,
    dry_run: bool,
    derivation: Derivation,
    progress: Callable[[int], None] | None = None,
    refused: Callable[[Db, str], None] | None = None,
) -> ImportReport:
    """Take in a file; see ``import_rows``.

    Raises:
        Invalid: The file as a whole cannot be used, with what to do.
    """
    sheet = open_sheet(path, kind)
    report = import_rows(
        database,
        vault,
        clock,
        kind,
        sheet.rows,
        as_of=as_of,
        actor=actor,
        dry_run=dry_run,
        derivation=derivation,
        file_hash=sheet.file_hash,
        progress=progress,
        refused=refused,
    )
    report.unknown_columns = sheet.unknown_columns
    return report


def import_rows(
    database: Database,
    vault: Vault,
    clock: Clock,
    kind: str,
    rows: Iterable[Row],
    *,
    as_of: date | None,
    actor: str,
    dry_run: bool,
    derivation: Derivation,
    file_hash: str = "",
    progress: Callable[[int], None] | None = None,
    refused: Callable[[Db, str], None] | None = None,
) -> ImportReport:
    """Take in rows of one kind, as ``open_sheet`` gives them; good ones are kept.

    ``as_of`` makes them a full statement of that day; a row's own ``as_of`` wins. ``progress``
    is called with the number of rows done, after each batch; ``refused`` as in ``Intake``.

    Raises:
        Invalid: The kind is unknown, or the statement's day is in the future.
        Retry: The database cannot be written now; what was done stays, do it again.
    """
    table_of(kind)
    if as_of is not None and as_of > today(clock):
        raise Invalid("数据日期(as-of)在将来,请核对;将来的对账单会挡住以后真正的对账单")
    intake = Intake(
        vault=vault,
        derivation=derivation,
        today=today(clock),
        now=int(clock.now().timestamp() * 1000),
        as_of=as_of.isoformat() if as_of else None,
        refused=refused,
    )
    if kind == "customers":
        intake = replace(intake, newest=_newest_statement(database))
    run = _Run(database, intake, kind, ImportReport(kind, dry_run))
    for done in run.take(rows):
        if progress is not None:
            progress(done)
    run.finish(file_hash, actor)
    log.info("imported", kind=kind, actor=actor, dry_run=dry_run, **run.report.counts())
    return run.report


def resolve_unmatched(
    db: Db,
    vault: Vault,
    clock: Clock,
    external_userid: str,
    derivation: Derivation,
    *,
    refused: Callable[[Db, str], None] | None = None,
) -> int:
    """Take in the rows that waited for a customer, now that a phone or core number is known.

    ``refused`` is told when one of them makes the customer refuse marketing.

    Returns:
        How many rows wait no longer.
    """
    now = int(clock.now().timestamp() * 1000)
    intake = Intake(vault, derivation, today(clock), now, refused=refused)
    return _resolve(db, intake, external_userid)


def _resolve(db: Db, intake: Intake, external_userid: str) -> int:
    """Customers' rows first: their core number may be what other rows wait for."""
    resolved = 0
    for kind, planner in PLANNERS.items():
        waiting = [
            (row["id"], Row(0, json.loads(intake.vault.open_text(row["row_sealed"]))))
            for row in db.rows(_WAITING_FOR, external_userid=external_userid, kind=kind)
        ]
        for waited, row in waiting:
            plan = planner(db, intake, [row])
            if not plan.waiting:
                plan.write(db, intake)
                resolved += db.run("DELETE FROM unmatched WHERE id = :id", id=waited)
    return resolved


def _newest_statement(database: Database) -> str:
    summaries = (json.loads(row["summary"]) for row in database.read().rows(_NEWEST))
    return max((str(summary.get("as_of") or "") for summary in summaries), default="")


# -- one run ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Statement:
    """What a full statement listed: enough to tell afterwards what it lacks.

    Accounts are remembered as 64-bit hashes, eight bytes each, so that three million cost
    24 MB.
    """

    days: set[str | None] = field(default_factory=set)
    """Of its good rows; a true statement has one."""
    listed: tuple[array[int], ...] = field(
        default_factory=lambda: tuple(array("q") for _ in range(_SHARES))
    )
    """In shares by the lowest bits, so that sorting needs little room."""
    nameless: int = 0
    """Bad rows whose account could not be read."""

    def see(self, row: Row, name: str) -> None:
        """Remember a row, also one that is bad: an unreadable amount closes no account."""
        account = row.values.get(name)
        if account is None:
            self.nameless += 1
        else:
            self._share(hash(account)).append(hash(account))

    def sort(self) -> int:
        """Make ready for ``lacks``; the number of rows that list an account again."""
        twice = 0
        for share in self.listed:
            share[:] = array("q", sorted(share))
            twice += sum(a == b for a, b in pairwise(share))
        return twice

    def lacks(self, account: str) -> bool:
        """The statement does not list the account."""
        share = self._share(hash(account))
        at = bisect_left(share, hash(account))
        return at == len(share) or share[at] != hash(account)

    def _share(self, mark: int) -> array[int]:
        return self.listed[mark % _SHARES]


class _Run:
    """One import: batches in, a report out."""

    def __init__(self, database: Database, intake: Intake, kind: str, report: ImportReport) -> None:
        self.report = report
        self._database = database
        self._intake = intake
        self._kind = kind
        self._plan = {**PLANNERS, **LISTINGS}[kind]
        self._statement = _Statement()
        self._resolved = 0
        self._old_notices = 0

    # -- batches

    def take(self, rows: Iterable[Row]) -> Iterator[int]:
        """Work the rows; yields how many are done, after each batch.

        The next batch is read while the writer is busy with the one before.
        """
        pending: Future[tuple[Plan, int]] | None = None
        for batch in _batches(rows):
            good = self._sift(batch)
            if self._kind == "consents":
                read = [row.values for row in good]
                self._old_notices += notices.outdated(self._database.read(), read)
            if pending is not None:
                self._count(*pending.result())
                yield self.report.total
            pending = self._begin(good)
            self.report.total += len(batch)
        if pending is not None:
            self._count(*pending.result())
            yield self.report.total

    def _sift(self, batch: list[Row]) -> list[Row]:
        """The good rows; the bad ones are reported."""
        good = []
        latest = self._intake.today.isoformat()
        for row in batch:
            if self._kind in _STATED:
                self._statement.see(row, _STATED[self._kind])
            as_of = row.values.get("as_of") or self._intake.as_of
            if row.problems:
                self.report.refuse(row.problems)
            elif as_of and as_of > latest:
                self.report.refuse([RowProblem(row.line, "数据日期", "在将来,请核对")])
            else:
                good.append(row)
                self._statement.days.add(as_of)
        return good

    def _begin(self, rows: Sequence[Row]) -> Future[tuple[Plan, int]]:
        if not self.report.dry_run:
            return self._database.submit(lambda db: self._work(db, rows))
        done: Future[tuple[Plan, int]] = Future()
        done.set_result((self._plan(self._database.read(), self._intake, rows), 0))
        return done

    def _work(self, db: Db, rows: Sequence[Row]) -> tuple[Plan, int]:
        plan = self._plan(db, self._intake, rows)
        plan.write(db, self._intake)
        self._keep_waiting(db, plan)
        if not plan.met or _nobody_waits(db):
            return plan, 0
        # What waited is older than this file: it may add to it, and override nothing.
        older = replace(self._intake, as_of=None, only_blanks=True)
        return plan, sum(_resolve(db, older, who) for who in sorted(plan.met))

    def _keep_waiting(self, db: Db, plan: Plan) -> None:
        if not plan.waiting and _nobody_waits(db):
            return
        keys = {*plan.matched, *plan.waiting}
        # The index begins with the kind, which is one of our own words.
        column = f"kind = '{self._kind}' AND row_key"
        there = {row["row_key"]: row for row in fetch(db, "unmatched", column, keys)}
        gone = [{"kind": self._kind, "row_key": key} for key in plan.matched & there.keys()]
        db.many(_WAIT_NO_MORE, gone)
        seal, now = self._intake.vault.seal_text, self._intake.now
        kept = [
            {
                "kind": self._kind,
                "row_key": row.row_key,
                "core_id": row.core_id,
                "phone_hash": row.phone_hash,
                "row_sealed": seal(json.dumps(row.values, ensure_ascii=False)),
                "imported_at": now,
            }
            for row in plan.waiting.values()
            if not self._outdated(row.values.get("as_of"), there.get(row.row_key))
        ]
        db.many(_WAIT, kept)

    def _outdated(self, as_of: str | None, waiting: dict[str, bytes] | None) -> bool:
        """A row of a newer statement waits already."""
        if waiting is None or not as_of:
            return False
        return self._day_of(waiting["row_sealed"]) > as_of

    def _day_of(self, sealed: bytes) -> str:
        day = json.loads(self._intake.vault.open_text(sealed)).get("as_of")
        return str(day or "")

    def _count(self, plan: Plan, resolved: int) -> None:
        report = self.report
        report.new += plan.new
        report.changed += plan.changed
        report.unchanged += plan.unchanged
        for problem in plan.problems:
            report.refuse([problem])
        self._resolved += resolved
        report.unmatched += plan.set_aside

    # -- the end

    def finish(self, file_hash: str, actor: str) -> None:
        """Close what a full statement lacks, and keep a record of the run."""
        self.report.bad.sort(key=lambda problem: problem.line)
        if self._kind in _STATED:
            self._close_missing()
        if self._resolved:
            self.report.notes.append(f"另有 {self._resolved} 行等待中的数据已找到客户")
        if self._old_notices:
            self.report.notes.append(
                f"有 {self._old_notices} 行同意不是按现行告知书取得的(告知版本不同或没填),"
                "留存但不算数"
            )
        if self.report.dry_run:
            return
        newest = max((day for day in self._statement.days if day), default=None)
        summary = self.report.counts() | ({"as_of": newest} if newest else {})
        run = {"kind": self._kind, "file_hash": file_hash, "actor": actor}
        at, text = self._intake.now, json.dumps(summary)
        self._database.write(lambda db: db.run(_KEEP_RUN, **run, at=at, summary=text))

    def _close_missing(self) -> None:
        twice = self._statement.sort()
        title, what = _TITLES[self._kind]
        if twice:
            self.report.notes.append(f"有 {twice} 行的{title}与前面的行重复,以最后一行为准")
        days = self._statement.days
        if days <= {None}:
            return
        reason = self._why_not_close(title)
        if reason:
            self.report.notes.append(f"没有结清文件中缺少的{what}:{reason}")
            return
        day = next(iter(days)) or ""
        if library := _LIBRARIES.get(self._kind):
            self._withdraw(library, day)
            return
        for accounts in self._missing_accounts(day):
            self.report.closed += len(accounts)
            if not self.report.dry_run:
                self._close(accounts, day)
        if not self.report.dry_run:
            self._drop_waiting(day)

    def _why_not_close(self, title: str) -> str:
        if self._statement.nameless:
            return f"有 {self._statement.nameless} 行读不出{title},请改正后重新导入"
        if len(self._statement.days) > 1:
            return "各行的数据日期不一致,不能当作同一天的完整对账单"
        return ""

    def _withdraw(self, library: Library, day: str) -> None:
        """What the bank's full list lacks is not valid any longer: it ends the day before."""
        last = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        gone = [
            dict(row) | {"valid_to": max(last, row["valid_from"] or last)}
            for row in library.all(self._database.read())
            if self._statement.lacks(row["code"])
            and not (row["valid_to"] and row["valid_to"] < day)
        ]
        self.report.closed += len(gone)
        if gone and not self.report.dry_run:
            self._database.write(lambda db: self._add_versions(db, library, gone))

    def _add_versions(self, db: Db, library: Library, versions: Iterable[dict[str, Any]]) -> None:
        for each in versions:
            library.add_version(db, each, self._intake.now)

    def _missing_accounts(self, day: str) -> Iterator[list[str]]:
        after = ""
        while accounts := [
            row["account_ref"]
            for row in self._database.read().rows(
                _OPEN_ACCOUNTS, after=after, as_of=day, limit=_CLOSE_BATCH
            )
        ]:
            after = accounts[-1]
            if missing := [each for each in accounts if self._statement.lacks(each)]:
                yield missing

    def _close(self, accounts: list[str], day: str) -> None:
        rows = [{"account_ref": each, "as_of": day} for each in accounts]

        def close(db: Db) -> None:
            db.many(_CLOSE, rows)
            touch_holders(db, accounts)

        self._database.write(close)

    def _drop_waiting(self, day: str) -> None:
        """Rows of older statements that wait for their person are out of date as well."""
        after = ""
        while some := self._database.read().rows(
            _WAITING_ACCOUNTS, after=after, limit=_CLOSE_BATCH
        ):
            after = some[-1]["row_key"]
            gone = [
                {"kind": "holdings", "row_key": row["row_key"]}
                for row in some
                if self._statement.lacks(row["row_key"]) and self._day_of(row["row_sealed"]) <= day
            ]
            self._forget(gone)

    def _forget(self, waiting: list[dict[str, str]]) -> None:
        if waiting:
            self._database.write(lambda db: db.many(_WAIT_NO_MORE, waiting))


def _nobody_waits(db: Db) -> bool:
    return db.value("SELECT 1 FROM unmatched LIMIT 1") is None


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        yield batch
