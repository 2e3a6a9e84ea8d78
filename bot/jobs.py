"""What the scheduler rings: planning, releasing, counting, deadlines, repairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog

from bot import inbox, outbox, signups
from bot.actions import CheckAgreement, KeepGroupWelcome, PullArchive, Reconcile, SyncTags
from bot.clock import SHANGHAI, Clock, today
from bot.complaints import remind
from bot.duedates import raise_overdue
from bot.errands.mass import MassSender
from bot.errands.others import OtherMasses
from bot.errands.robots import GroupWord
from bot.errands.staff import Desk
from bot.errors import Retry
from bot.handing import give_back, hand_on, raise_late_cases
from bot.happenings import DayComesNear, ImportantSilent
from bot.listening import Listener, segments_changed
from bot.model import ChatId, ExternalUserId, UserId
from bot.permits import permits_of
from bot.planning import not_planned_yet, plan_steps, planned_mark
from bot.praise import propose_week
from bot.rulebook import POSTLOAN, Rulebook
from bot.store import (
    agenda,
    cases,
    journal,
    journeys,
    lift,
    others,
    planning,
    reminders,
    retention,
    rings,
    segments,
    standing,
    talk,
)
from bot.store.db import Database, Db
from bot.store.rings import Fence
from scheduler.ring import Job

log = structlog.get_logger()
_KEEP_DONE = timedelta(days=7)
_ASKED_AN_HOUR = 500
"""Conversations asked again for their agreement; WeCom allows 1,500 rooms a minute."""
_PEOPLE_AT_ONCE = 500
_WORDS_AT_ONCE = 500
_SUNDAY = 6
_PLANNED = "planned"
"""The cursor that names the last planned day and its campaigns."""
_PLAN_LATE = timedelta(days=10)
"""A day missed is planned so much later; each push has its own latest useful moment."""


@dataclass
class Jobs:
    """The jobs of the bot; every write checks the fence of its ring."""

    database: Database
    clock: Clock
    rules: Rulebook
    listener: Listener
    mass: MassSender
    notice: Callable[[Db, list[object]], None]
    wake_outbox: Callable[[], None]

    def all(self) -> list[Job]:
        """Frequent ones first: they are what people wait for."""
        second, minute = timedelta(seconds=1), timedelta(minutes=1)
        return [
            Job("release", self.release, every=5 * second),
            Job("poll_tasks", lambda _fence, _due: self.mass.poll(), every=15 * second),
            Job("clear_doubts", lambda _fence, _due: self.mass.reconcile(), every=15 * second),
            Job("case_deadlines", self.case_deadlines, every=30 * second),
            Job("pull_archive", self.pull_archive, every=30 * second),
            Job("rights_overdue", self.rights_overdue, every=10 * minute),
            Job("complaints_to_settle", self.complaints_to_settle, every=10 * minute),
            Job("tell_sign_ups", self.tell_sign_ups, every=minute),
            Job("expire_tasks", self.expire_tasks, every=minute),
            Job("read_others", self.read_others, every=10 * minute),
            Job("reconcile", self.reconcile, every=timedelta(hours=1)),
            Job("destroy_sealed", self.destroy_sealed, every=timedelta(hours=1)),
            Job("refresh_touched", self.refresh_touched, every=5 * second),
            Job("recheck_segments", self.recheck_segments, at=time(0, 30)),
            Job("recompute_all", self.recompute_all, at=time(1, 30)),
            Job("plan_day", self.plan_day, at=time(8, 0), useful_for=_PLAN_LATE),
            Job("check_audit", self.check_audit, at=time(4, 0), useful_for=timedelta(days=1)),
            Job("plan_begun", self.plan_begun, every=minute),
            Job("remind", self.remind, at=time(8, 40), useful_for=timedelta(days=3)),
            Job("credit", self.credit, at=time(6, 0), useful_for=timedelta(days=1)),
            Job("leave_journeys", self.leave_journeys, every=5 * minute),
            Job("forget", self.forget, at=time(3, 0), useful_for=timedelta(days=1)),
        ]

    # -- sending

    def plan_day(self, fence: Fence, due: datetime) -> int:
        """Plan the pushes of the ring's day; planning it again adds nothing."""
        on = due.astimezone(SHANGHAI).date()

        def plan(db: Db) -> int:
            rings.check(db, fence)
            if not self.mass.judge.is_fresh(db):
                raise Retry("还没有和企业微信核对过客户关系,稍后再排")
            in_force = permits_of(db, self.rules, self.clock.now())
            steps = plan_steps(self.rules, on, in_force)
            planned = planning.plan(db, steps, self._now())
            talk.move_cursor(db, _PLANNED, planned_mark(on, steps), self._now())
            # Only now: greetings of missed days were planned, and show as expired.
            if on == today(self.clock):
                self.rules.advance_birthdays(db, self._now())
            journal.note(db, "day_planned", self._now(), on=on.isoformat(), planned=planned)
            return planned

        return self.database.write(plan)

    def plan_begun(self, fence: Fence, _due: datetime) -> int:
        """Plan today for campaigns that were let go out after the day was planned."""
        on = today(self.clock)

        def plan(db: Db) -> int:
            rings.check(db, fence)
            mark = talk.cursor(db, _PLANNED) or ""
            steps = plan_steps(self.rules, on, permits_of(db, self.rules, self.clock.now()))
            begun = not_planned_yet(mark, on, steps)
            if not begun or not self.mass.judge.is_fresh(db):
                return 0
            planned = planning.plan(db, begun, self._now())
            talk.move_cursor(db, _PLANNED, planned_mark(on, steps), self._now())
            journal.note(db, "day_planned", self._now(), on=on.isoformat(), planned=planned)
            return planned

        return self.database.write(plan)

    def credit(self, fence: Fence, _due: datetime) -> int:
        """Note what followed the campaigns' sends of late."""
        lines = list(self.rules.thresholds.lines.values())

        def count(db: Db) -> int:
            in_force = permits_of(db, self.rules, self.clock.now())
            windows = {
                name: permit.campaign.window_days
                for name, permit in in_force.items()
                if permit.campaign is not None
            }
            return lift.credit(db, windows, lines, today(self.clock), self._now())

        return self._fenced(fence, count)

    def leave_journeys(self, fence: Fence, _due: datetime) -> int:
        """End the journeys that have a reason to, with what was planned or held of them."""
        return self._fenced(fence, lambda db: journeys.leave(db, self._now()))

    def release(self, fence: Fence, _due: datetime) -> int:
        """Take what is due through the gate."""
        taken = self.mass.release(lambda db: rings.check(db, fence))
        if taken:
            self.wake_outbox()
        return taken

    def expire_tasks(self, fence: Fence, _due: datetime) -> int:
        """Call stale tasks back."""
        expired = self.mass.expire(lambda db: rings.check(db, fence))
        if expired:
            self.wake_outbox()
        return expired

    def read_others(self, fence: Fence, _due: datetime) -> int:
        """Count what members sent by hand (F4)."""
        masses = OtherMasses(self.database, self.clock, self.mass.wecom)
        return masses.read(lambda db: rings.check(db, fence))

    # -- people

    def remind(self, fence: Fence, due: datetime) -> int:
        """Call people ahead of days that customers named, and for important ones gone silent."""
        on = due.astimezone(SHANGHAI).date()

        def notice(db: Db) -> int:
            rings.check(db, fence)
            now = self.clock.now()
            found: list[object] = [
                DayComesNear(
                    ExternalUserId(row["external_userid"]),
                    row["id"],
                    kind,
                    date.fromisoformat(row["day_on"]),
                    now,
                )
                for kind, ahead in self.rules.escalation.ahead_days.items()
                for row, _ in reminders.coming(db, on, reminders.TYPES.get(kind, ()), ahead)
            ]
            found += [ImportantSilent(ExternalUserId(who), now) for who in reminders.silent(db, on)]
            found += self._checks(db, on)
            self.notice(db, found)
            return len(found)

        return self.database.write(notice)

    def _checks(self, db: Db, on: date) -> list[DayComesNear]:
        """Checks of loans that come near; the cases of those that were moved are over."""
        now, moment = self.clock.now(), self._now()
        for row in reminders.outdated_checks(db):
            cases.close_case(db, row["id"], "not_needed", UserId("bot"), moment)
            who = row["external_userid"]
            journal.note(
                db, "case_closed", moment, customer=who, ref=row["id"], outcome="not_needed"
            )
        ahead = max(self.rules.escalation.ahead_days.get(POSTLOAN, (0,)))
        return [
            DayComesNear(
                ExternalUserId(row["external_userid"]),
                None,
                POSTLOAN,
                date.fromisoformat(row["day_on"]),
                now,
            )
            for row in reminders.checks(db, on, ahead)
        ]

    def case_deadlines(self, fence: Fence, _due: datetime) -> int:
        """Cases go to deputies, to the head once they are late, and back when nobody took them."""

        def move(db: Db) -> int:
            rings.check(db, fence)
            now = self._now()
            moved: list[object] = [
                *hand_on(db, self.rules, now),
                *raise_late_cases(db, self.rules, now),
                *give_back(db, self.rules, now, outbox.add),
            ]
            self.notice(db, moved)
            return len(moved)

        return self.database.write(move)

    def rights_overdue(self, fence: Fence, _due: datetime) -> int:
        """What customers asked about their data and nobody answered in time goes to the head."""
        day, label = today(self.clock), self.rules.label
        return self._fenced(
            fence, lambda db: raise_overdue(db, day, self._now(), label, outbox.add)
        )

    def complaints_to_settle(self, fence: Fence, _due: datetime) -> int:
        """Complaints near their last day are told to their handlers, late ones above them."""
        day = today(self.clock)
        return self._fenced(fence, lambda db: remind(db, day, self._now(), outbox.add))

    def tell_sign_ups(self, fence: Fence, _due: datetime) -> int:
        """Tell owners who signed up, changed or moved up: one message an event, not one each."""
        return self._fenced(fence, lambda db: signups.tell(db, self.clock.now(), outbox.add))

    # -- what is known

    def refresh_touched(self, fence: Fence, _due: datetime) -> int:
        """Whoever something became known of: friends, imports, lines of talk without facts."""
        if standing.rules_changed(self.database.read(), self.rules):
            self._fenced(fence, lambda db: standing.touch_all(db, self.rules, self._now()))
        return self._derive_due(fence, lambda db: standing.touched(db, _PEOPLE_AT_ONCE))

    def recheck_segments(self, fence: Fence, _due: datetime) -> int:
        """What the calendar changes: ages, expiry, dates that come near, silence, decay."""
        day = today(self.clock)
        return self._derive_due(fence, lambda db: standing.due(db, day, _PEOPLE_AT_ONCE))

    def recompute_all(self, fence: Fence, due: datetime) -> int:
        """Derive everybody again; that moves nobody unless something was missed.

        Returns:
            How many moved; the journal and the log tell of any.
        """
        weekly = self.rules.thresholds.recompute == "weekly"
        if weekly and due.astimezone(SHANGHAI).weekday() != _SUNDAY:
            return 0
        self.recheck_segments(fence, due)
        moved, after = 0, ""
        while people_now := segments.customers_after(self.database.read(), after, _PEOPLE_AT_ONCE):
            moved += self._derive(fence, people_now)
            after = people_now[-1]
        if moved:
            log.warning("recomputing moved customers", moved=moved)
        return moved

    def _derive_due(self, fence: Fence, whom: Callable[[Db], list[str]]) -> int:
        """A few hundred a transaction, so that what comes in is kept meanwhile."""
        moved = 0
        while some := whom(self.database.read()):
            moved += self._derive(fence, some)
        return moved

    def _derive(self, fence: Fence, customers: list[str]) -> int:
        def derive(db: Db) -> int:
            who = [ExternalUserId(each) for each in customers]
            derived = self.listener.derive(db, who, self._now())
            self.notice(db, list(segments_changed(derived, self.clock.now())))
            return len(derived.segments) + len(derived.states)

        return self._fenced(fence, derive)

    def destroy_sealed(self, fence: Fence, _due: datetime) -> int:
        """Text whose agreement stayed unknown for five days is destroyed."""
        return self._fenced(fence, lambda db: talk.destroy_unanswered(db, self._now()))

    # -- repairs

    def pull_archive(self, fence: Fence, due: datetime) -> None:
        """Callbacks may be lost: ask the archive anyway."""
        self._errand(fence, PullArchive(f"timer-{int(due.timestamp())}"))

    def reconcile(self, fence: Fence, due: datetime) -> None:
        """Compare people, groups and tags with WeCom."""
        cause = f"timer-{int(due.timestamp())}"
        self._errand(fence, Reconcile(cause))
        self._errand(fence, SyncTags(cause))
        self._errand(fence, KeepGroupWelcome(cause))
        questions = self._questions(cause)
        self._fenced(fence, lambda db: sum(outbox.add(db, each, self._now()) for each in questions))
        self.wake_outbox()

    def _questions(self, cause: str) -> list[CheckAgreement]:
        """Whoever agreed while the notice of it was lost is read after all."""
        return [
            CheckAgreement(
                row["conversation"],
                ChatId(row["chat_id"]),
                ExternalUserId(row["sender"]),
                UserId("" if row["chat_id"] else row["conversation"].split("|")[0]),
                cause,
            )
            for row in talk.unanswered(self.database.read(), _ASKED_AN_HOUR)
        ]

    def check_audit(self, fence: Fence, _due: datetime) -> int:
        """Look every day whether the audit trail is as it was written (U3).

        Returns:
            The id of the first row that is not; 0 when all are.
        """
        broken = journal.first_broken_link(self.database.read()) or 0

        def tell(db: Db) -> int:
            journal.mark_checked(db, broken, self._now())
            return broken

        if broken:
            log.error("the audit trail was changed", row=broken)
        return self._fenced(fence, tell)

    def forget(self, fence: Fence, _due: datetime) -> int:
        """Drop queue rows that are done and old, and words that may not be kept any longer."""
        now, vault = self._now(), self.listener.vault
        before = now - int(_KEEP_DONE / timedelta(milliseconds=1))
        gone = self._fenced(fence, lambda db: retention.forget_unreadable(db, now))
        while some := self._fenced(
            fence, lambda db: retention.forget_words(db, vault, now, _WORDS_AT_ONCE)
        ):
            gone += some
        return gone + self._fenced(
            fence,
            lambda db: (
                inbox.forget(db, before)
                + outbox.forget(db, before)
                + agenda.forget(db, before)
                + others.forget(db, now)
            ),
        )

    def _errand(
        self, fence: Fence, errand: PullArchive | Reconcile | SyncTags | KeepGroupWelcome
    ) -> None:
        self._fenced(fence, lambda db: int(outbox.add(db, errand, self._now())))
        self.wake_outbox()

    def _fenced(self, fence: Fence, change: Callable[[Db], int]) -> int:
        def guarded(db: Db) -> int:
            rings.check(db, fence)
            return change(db)

        return self.database.write(guarded)

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


@dataclass(frozen=True)
class Rounds:
    """What is rung for employees: these jobs look often and act once, by natural keys."""

    jobs: Jobs
    desk: Desk

    def all(self) -> list[Job]:
        """The jobs."""
        return [
            Job("morning_lists", self.lists, every=timedelta(seconds=5)),
            Job("chase_tasks", self.chase, every=timedelta(minutes=1)),
            Job("praise", self.praise, at=time(9, 0), useful_for=timedelta(days=3)),
            Job("tell_groups", self.tell_groups, every=timedelta(minutes=1)),
        ]

    def lists(self, fence: Fence, _due: datetime) -> int:
        """Make the lists of the day, once friendships were compared with WeCom."""
        if not self.jobs.mass.judge.is_fresh(self.jobs.database.read()):
            return 0
        morning = self.desk.morning
        return sum(
            self._fenced(fence, lambda db, draft=draft: morning.keep(db, draft))  # type: ignore[misc]  # defaults bind the loop's values
            for draft in morning.drafts()
        )

    def praise(self, fence: Fence, due: datetime) -> int:
        """Once a week propose to the branch heads whom to praise and whom to prompt."""
        day, rules = due.astimezone(SHANGHAI).date(), self.jobs.rules
        if day.weekday() != rules.praise.weekday:
            return 0
        now = int(self.jobs.clock.now().timestamp() * 1000)
        link = f"{self.desk.logins.public_url}/praise"
        return self._fenced(fence, lambda db: propose_week(db, rules, day, now, link))

    def chase(self, fence: Fence, _due: datetime) -> int:
        """Remind whoever has tasks waiting."""
        return self._fenced(fence, self.desk.chaser.chase)

    def tell_groups(self, fence: Fence, _due: datetime) -> int:
        """Say the morning in the branches' internal groups, where they have a robot."""
        return GroupWord(self.desk.morning).say(lambda db: rings.check(db, fence))

    def _fenced(self, fence: Fence, change: Callable[[Db], int]) -> int:
        def guarded(db: Db) -> int:
            rings.check(db, fence)
            return change(db)

        done = self.jobs.database.write(guarded)
        if done:
            self.jobs.wake_outbox()
        return done
