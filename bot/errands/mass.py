"""Send tasks from due push to proven result: gate, task, call, doubt, cancellation, count.

WeCom knows no idempotency key. So at most one call of a sender and text is in flight; a call
whose answer was lost is looked for by text, time, sender and recipients, and only what was
absent in three looks over five minutes is planned anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

import structlog

from bot import outbox
from bot.actions import CancelMassSend, CreateMassSend
from bot.clock import SHANGHAI, Clock
from bot.errands import trail
from bot.errands.doubt import LOOKS, Doubts, recipient_of
from bot.errands.judging import Judge, Judged, candidate_of, hash_of
from bot.errands.media import MediaDesk
from bot.errands.reserving import subject_of
from bot.errands.ways import NOT_FRIEND, OVER_CAP, SENT, Asked, reason_of
from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.links import OutLinks
from bot.model import Channel, MsgId, Purpose, UserId
from bot.outbox import Effect
from bot.permits import permits_of
from bot.rulebook import Rulebook
from bot.store import journal, people, pushes
from bot.store.db import Database, Db, Row
from bot.store.planning import HOLDOUT
from bot.vault import Vault
from bot.wecom import SendResult, WeComClient
from scheduler.gate import Answer, Gate

log = structlog.get_logger()
Check = Callable[[Db], object]
RELEASE_AT_ONCE = 500
_RECIPIENTS = 10_000
_GROUPS = 2_000
_LONGEST_PAUSE = 8.0
"""A process that stood still for so long does not call: others may have taken the task over."""


@dataclass
class MassSender:
    """Everything about mass-send tasks."""

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    public_url: str = ""
    monotonic: Callable[[], float] = time.monotonic

    @cached_property
    def judge(self) -> Judge:
        """Who asks the gate."""
        return Judge(self.clock, self.rules, OutLinks(self.public_url, self.vault))

    @cached_property
    def media(self) -> MediaDesk:
        """Who uploads attachments."""
        return MediaDesk(self.database, self.clock, self.wecom, self.rules.media)

    @cached_property
    def doubts(self) -> Doubts:
        """Who looks at what WeCom has."""
        return Doubts(self.database, self.vault, self.clock, self.wecom, self.rules.label)

    # -- releasing

    def release(self, check: Check = lambda _db: None) -> int:
        """Take due pushes through the gate and make tasks of what may go; how many were taken.

        ``check`` raises when whoever rings may act no more.
        """
        return self.database.write(lambda db: self._release(db, check))

    def _release(self, db: Db, check: Check) -> int:
        check(db)
        if not (self.judge.is_fresh(db) and self.judge.is_quota_known(db)):
            return 0
        at, now = self.clock.now(), self._now()
        due = pushes.waiting(db, now, RELEASE_AT_ONCE)
        judged = self.judge.judge(db, due, at)
        going: dict[tuple[str, str, str], list[Judged]] = {}
        for each in judged:
            self._write(db, each, now)
            if each.decision.answer is Answer.SEND:
                fitting = self._fit(db, each, going, at)
                if fitting.decision.answer is not Answer.SEND:
                    self._write(db, fitting, now)
                    continue
                key = (each.push["sender"], each.push["campaign"], fitting.text)
                going.setdefault(key, []).append(fitting)
        for group in going.values():
            most = _GROUPS if group[0].push["chat_id"] else _RECIPIENTS
            for part in _parts(group, most):
                self._make_task(db, part, now)
        return len(due)

    def _write(self, db: Db, judged: Judged, now: int) -> None:
        push, decision = judged.push, judged.decision
        until = trail.write_decision(db, judged, now)
        if decision.answer is Answer.HOLD:
            pushes.hold(db, push["id"], until or now, decision.rules, now)
        elif decision.answer is Answer.DROP:
            late = "G15" in decision.rules and now >= push["useful_until"]
            why = HOLDOUT if HOLDOUT in decision.rules else ""
            self._end(db, push, "expired" if late else "dropped", decision.rules, now, why)

    def _end(
        self, db: Db, push: Row, status: str, rules: tuple[str, ...], now: int, why: str = ""
    ) -> None:
        pushes.end(db, push["id"], status, why or "gate", now, rules)
        journal.note(
            db,
            f"push_{status}",
            now,
            customer=push["external_userid"],
            chat_id=push["chat_id"],
            ref=push["id"],
            campaign=push["campaign"],
            rules=list(rules),
        )

    def _fit(
        self,
        db: Db,
        judged: Judged,
        going: Mapping[tuple[str, str, str], list[Judged]],
        at: datetime,
    ) -> Judged:
        """A member confirms so many texts by name a day; the rest goes out without names."""
        push = judged.push
        sender, campaign = push["sender"], push["campaign"]
        if not judged.by_name or (sender, campaign, judged.text) in going:
            return judged
        midnight = at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        asked = pushes.personal_today(db, sender, int(midnight.timestamp() * 1000))
        asked += sum(key[0] == sender and group[0].by_name for key, group in going.items())
        if asked < self.rules.thresholds.personal_texts_a_day:
            return judged
        who = people.customer(db, push["external_userid"])
        assert who is not None
        assert judged.permit is not None
        assert judged.permit.campaign is not None
        more = self.judge.offered(db, judged.permit.campaign, push, at)
        text = self.judge.text(db, judged.permit.campaign, push, who, at, by_name=False, more=more)
        if self.judge.is_linked(push, text):  # still one person's own: another task to confirm
            gate = Gate(self.rules.thresholds, self.rules.calendar)
            moved = gate.move_to_tomorrow(candidate_of(push), ("personal_limit",), at)
            return replace(judged, decision=moved)
        return replace(judged, text=text, by_name=False)

    def _make_task(self, db: Db, group: list[Judged], now: int) -> None:
        text, permit = group[0].text, group[0].permit
        assert permit is not None
        going, text_hash = [each.push for each in group], hash_of(text)
        # A moment that waits takes more along: the member publishes one and not several.
        task_id = pushes.join(db, going, text_hash, permit.stamp, now) or pushes.create_task(
            db,
            going,
            text_sealed=self.vault.seal_text(text),
            text_hash=text_hash,
            version=permit.stamp,
            now=now,
        )
        outbox.add(db, CreateMassSend(task_id), now)
        for each in group:
            journal.note(
                db,
                "push_tasked",
                now,
                customer=each.push["external_userid"],
                chat_id=each.push["chat_id"],
                userid=each.push["sender"],
                ref=each.push["id"],
                campaign=each.push["campaign"],
                task=task_id,
            )

    # -- the call

    def create(self, errand: CreateMassSend) -> Effect | None:
        """Ask the gate once more, write its answer and the call, then call.

        Raises:
            Retry: Another call of this sender and text is not accounted for yet.
            Uncertain: The answer was lost; the task is looked for.
        """
        waiting = pushes.task(self.database.read(), errand.task_id)
        if waiting is None or waiting["status"] != "waiting":
            return None
        step = "attachment"
        try:
            attachments = self._attachments(waiting)
            step = "visible_range"
            reached = self._open_to(waiting)
        except (Refused, Invalid):
            return self._refused(waiting, step)
        known = self.doubts.made_before(waiting)  # before the gate: nothing comes after it
        began = self.monotonic()
        ready = self.database.write(lambda db: self._begin(db, errand.task_id, reached))
        if ready is None:
            return None
        task, recipients, text = ready
        if not recipients:
            raise Retry("看得到这条朋友圈的人刚刚变了", 1.0)
        try:
            made = (
                self.doubts.way(task).ask(
                    UserId(task["sender"]), recipients, text, attachments, began + _LONGEST_PAUSE
                )
                if known is None
                else Asked(known)
            )
        except (Refused, Invalid) as no:
            return self._refused(task, reason_of(no))
        except Retry:
            self.database.write(lambda db: pushes.move_task(db, task["id"], "waiting", self._now()))
            raise
        except Uncertain:
            self.database.write(
                lambda db: pushes.move_task(db, task["id"], "uncertain", self._now())
            )
            raise
        if made.job:
            return lambda db: pushes.move_task(db, task["id"], "calling", self._now(), job=made.job)
        settle = self._accepted if known is None else self._adopt
        return lambda db: settle(db, task, made.msgid, made.fail_list)

    def _attachments(self, task: Row) -> list[dict[str, Any]]:
        """What the task's text carries, uploaded; a text that is not in force carries nothing."""
        permits = permits_of(self.database.read(), self.rules, self.clock.now())
        permit = permits.get(task["campaign"])
        if permit is None or permit.campaign is None or permit.stamp != task["version"]:
            return []
        return self.media.ready(permit.campaign)

    def _open_to(self, task: Row) -> set[str] | None:
        """Who can be reached by the task after nobody else can be; None for no such need."""
        if task["channel"] != Channel.MOMENTS:
            return None
        db = self.database.read()
        if pushes.in_the_way(db, task) or pushes.more_to_come(db, task, self._now()):
            raise Retry("同一员工的另一条朋友圈还没有结束", 5.0)
        wanted = {subject_of(each) for each in pushes.pushes_of(db, task["id"])}
        return self.doubts.moments.open_to(UserId(task["sender"]), wanted)

    def _begin(
        self, db: Db, task_id: int, reached: set[str] | None
    ) -> tuple[Row, list[str], str] | None:
        now = self._now()
        task = pushes.task(db, task_id)
        if task is None or task["status"] != "waiting":
            # One in ``calling`` went out and its outcome was not written: ``reconcile`` asks.
            return None
        if pushes.in_the_way(db, task):
            raise Retry("同一员工的同一文字还有一次群发没有确认结果", 30.0)
        staying = self._judge_again(db, task_id, now)
        if reached is not None:
            for each in [each for each in staying if subject_of(each.push) not in reached]:
                self._end(db, each.push, "failed", (), now, "not_friend")
                staying.remove(each)
        if not staying:
            pushes.move_task(db, task_id, "failed", now, reason="nobody left")
            return None
        recipients = [subject_of(each.push) for each in staying]
        if reached is not None and reached != set(recipients):
            return task, [], ""  # somebody would see it who may not any more
        pushes.move_task(db, task_id, "calling", now)
        trail.account_for_call(db, self.rules, task, staying, now)
        return task, recipients, self.vault.open_text(task["text_sealed"])

    def _judge_again(self, db: Db, task_id: int, now: int) -> list[Judged]:
        judged = self.judge.judge(db, pushes.pushes_of(db, task_id), self.clock.now())
        for each in judged:
            self._write(db, each, now)
        return [each for each in judged if each.decision.answer is Answer.SEND]

    def _refused(self, task: Row, reason: str) -> Effect:
        def effect(db: Db) -> None:
            now = self._now()
            pushes.move_task(db, task["id"], "failed", now, reason=reason)
            for push in pushes.pushes_of(db, task["id"]):
                self._end(db, push, "failed", (), now, reason)

        return effect

    def _accepted(self, db: Db, task: Row, msgid: str, failed: Iterable[str]) -> None:
        now = self._now()
        pushes.move_task(db, task["id"], "accepted", now, wecom_msgid=msgid)
        unreachable = set(failed)
        for push in pushes.pushes_of(db, task["id"]):
            if subject_of(push) in unreachable:
                self._end(db, push, "failed", (), now, "not_friend")
        journal.note(
            db, "task_accepted", now, userid=task["sender"], ref=task["id"], task=task["id"]
        )
        self._refusal_meanwhile(db, task["id"], now)

    def _adopt(self, db: Db, task: Row, msgid: MsgId, failed: Iterable[str]) -> None:
        """An earlier life made it, maybe for others too: count who got it, stop it for the rest."""
        self._accepted(db, task, msgid, failed)
        outbox.add(db, CancelMassSend(task["id"], "restored"), self._now())

    def _refusal_meanwhile(self, db: Db, task_id: int, now: int) -> None:
        """Somebody may have refused between the gate and the answer: call the task back."""
        judged = self.judge.judge(db, pushes.pushes_of(db, task_id), self.clock.now())
        if any(_changed(each) for each in judged):
            outbox.add(db, CancelMassSend(task_id, "refusal"), now)

    # -- what became of it

    def poll(self) -> int:
        """Read the results of accepted tasks; how many pushes were settled."""
        settled = 0
        for task in pushes.tasks_in(self.database.read(), "accepted", "cancelling"):
            try:
                results = self.doubts.results(task)
            except (Retry, Refused) as trouble:
                log.info("results not readable yet", task=task["id"], reason=str(trouble))
                continue
            settled += self.database.write(
                lambda db, task=task, results=results: self._settle(db, task, results)  # type: ignore[misc]  # defaults bind the loop's values
            )
        return settled

    def _settle(self, db: Db, task: Row, results: list[SendResult]) -> int:
        now = self._now()
        current = pushes.task(db, task["id"])
        if current is None or current["status"] not in {"accepted", "cancelling"}:
            return 0  # another one settled it while the results were read
        task = current
        by_recipient = {recipient_of(each): each for each in results}
        settled = 0
        for push in pushes.pushes_of(db, task["id"]):
            result = by_recipient.get(subject_of(push))
            settled += self._settle_push(db, push, result, now)
        pushes.move_task(db, task["id"], task["status"], now, polled_at=now)
        if not pushes.pushes_of(db, task["id"]):
            done = "cancelled" if task["status"] == "cancelling" else "done"
            pushes.move_task(db, task["id"], done, now)
        elif task["status"] == "cancelling" and self.doubts.is_proven(task, now):
            self._replan(db, task["id"], now)
        return settled

    def _settle_push(self, db: Db, push: Row, result: SendResult | None, now: int) -> bool:
        status = result.status if result else 0
        if status == SENT:
            pushes.end(db, push["id"], "confirmed", "sent", now)
            journal.note(
                db,
                "push_confirmed",
                now,
                customer=push["external_userid"],
                chat_id=push["chat_id"],
                userid=push["sender"],
                ref=push["id"],
                campaign=push["campaign"],
            )
            return True
        if status in {NOT_FRIEND, OVER_CAP}:
            why = "not_friend" if status == NOT_FRIEND else "channel_quota"
            self._end(db, push, "failed", (), now, why)
            return True
        return False

    # -- calling back

    def cancel(self, errand: CancelMassSend) -> Effect | None:
        """Stop a task; its results are read before anything of it is planned anew."""
        task = pushes.task(self.database.read(), errand.task_id)
        if task is None or task["status"] in {"done", "cancelled", "absent", "failed"}:
            return None
        if task["status"] == "waiting":
            return lambda db: self._stop_waiting(db, errand.task_id)
        if task["status"] in {"calling", "uncertain"}:
            raise Retry("群发任务的结果还没有确认,稍后再停止", 15.0)
        self.doubts.way(task).cancel(MsgId(task["wecom_msgid"]))
        results = self.doubts.results(task)

        def effect(db: Db) -> None:
            now = self._now()
            current = pushes.task(db, task["id"])
            if current is None or current["status"] not in {"accepted", "cancelling"}:
                return
            pushes.move_task(db, task["id"], "cancelling", now, reason=errand.cause)
            journal.note(db, "task_cancelled", now, userid=task["sender"], ref=task["id"])
            self._settle(db, task, results)

        return effect

    def _stop_waiting(self, db: Db, task_id: int) -> None:
        task = pushes.task(db, task_id)
        if task is not None and task["status"] != "waiting":
            raise Retry("群发任务刚刚提交,稍后再停止", 2.0)
        pushes.move_task(db, task_id, "cancelled", self._now())
        pushes.plan_again(db, task_id, self._now())

    def _replan(self, db: Db, task_id: int, now: int) -> None:
        """The cancellation is proven: what was not sent becomes the next attempt."""
        pushes.plan_again(db, task_id, now)
        pushes.move_task(db, task_id, "cancelled", now)

    # -- doubt

    def reconcile(self) -> int:
        """Look for tasks whose answer was lost; how many were cleared up."""
        cleared = 0
        self.database.write(pushes.retry_uncalled)
        doubtful = pushes.tasks_in(self.database.read(), "calling", "uncertain")
        for task in doubtful:
            if self.doubts.in_hand(task) or not self.doubts.time_to_look(task):
                continue
            try:
                found = self.doubts.find(task)
            except (Retry, Refused) as trouble:
                log.info("cannot look for a task yet", task=task["id"], reason=str(trouble))
                continue
            self.database.write(
                lambda db, task=task, found=found: self._clear_up(db, task, found)  # type: ignore[misc]  # defaults bind the loop's values
            )
            cleared += 1
        return cleared

    def _clear_up(self, db: Db, task: Row, found: MsgId | Refused | None) -> None:
        now = self._now()
        current = pushes.task(db, task["id"])
        if (
            current is None
            or current["status"] not in {"calling", "uncertain"}
            or current["absent_polls"] != task["absent_polls"]
        ):
            return  # its answer came, or another one looked, while we did
        if found is not None:
            if isinstance(found, Refused):
                self._refused(task, reason_of(found))(db)
            else:
                self._accepted(db, task, found, ())
            outbox.settle(db, CreateMassSend(task["id"]), "done", now)
            return
        polls = task["absent_polls"] + 1
        pushes.move_task(db, task["id"], "uncertain", now, absent_polls=polls, polled_at=now)
        if polls >= LOOKS:
            pushes.move_task(db, task["id"], "absent", now)
            pushes.plan_again(db, task["id"], now)
            outbox.settle(db, CreateMassSend(task["id"]), "dropped", now)

    # -- second thoughts

    def expire(self, check: Check = lambda _db: None) -> int:
        """Call back tasks that may not be confirmed any more; how many.

        Nobody confirmed in time, the hours closed, or the gate would say something else by now:
        a refusal, a switch, a complaint, a text that is not the approved one.
        """
        return self.database.write(lambda db: self._expire(db, check))

    def _expire(self, db: Db, check: Check) -> int:
        check(db)
        at, now = self.clock.now(), self._now()
        called = 0
        for task in pushes.tasks_in(db, "waiting", "accepted"):
            why = self._second_thoughts(db, task, at, now)
            called += bool(why and outbox.add(db, CancelMassSend(task["id"], why), now))
        return called

    def _second_thoughts(self, db: Db, task: Row, at: datetime, now: int) -> str:
        if task["useful_until"] <= now:
            return "stale"
        if not self.rules.calendar.is_open(Purpose(task["purpose"]), at):
            return "closing_hour"
        judged = self.judge.judge(db, pushes.pushes_of(db, task["id"]), at)
        return "gate" if any(_changed(each) for each in judged) else ""

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _changed(judged: Judged) -> bool:
    """The gate would not send this any more; an input that cannot be read now is no change."""
    return judged.decision.answer is not Answer.SEND and "unknown" not in judged.decision.rules


def _parts(group: list[Judged], size: int) -> Iterable[list[Judged]]:
    rest = iter(group)
    while part := list(islice(rest, size)):
        yield part
