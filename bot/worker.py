"""The worker: claim, keep, dispatch, settle; one transaction an item, many items a commit."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

import structlog

from bot import outbox
from bot.actions import (
    Action,
    Change,
    CloseCase,
    Grant,
    KeepAgreement,
    OpenCase,
    Refuse,
    SignOff,
    SignUp,
)
from bot.clock import Clock
from bot.complaints import COMPLAINT, Handling, handling_of, is_about
from bot.dispatch import Handlers, suggest_handler
from bot.errors import Invalid, Retry
from bot.events import Event
from bot.handing import first_for
from bot.happenings import CaseClosed, CaseOpened, RefusalKept, SignUpKept
from bot.inbox import Inbox, Item
from bot.kf import KfMessage, KfRecall, parse_item
from bot.listening import ARCHIVE, KF, Listener, unpack_record
from bot.model import ChatId, ExternalUserId, UserId
from bot.offering import adviser_of
from bot.recording import record_event, record_kf
from bot.rulebook import Rulebook
from bot.store import cases, consents, duty, events, journal, ledger, people, pushes, talk
from bot.store.db import Database, Db, Row
from bot.wire import parse
from handlers.known import OpenEvent
from handlers.rules import EscalationRules
from handlers.signals import ADVICE, Signals

log = structlog.get_logger()
LATER = "later"
_BATCH = 100
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class KnownNow:
    """The answers of ``handlers.known.Known`` out of the open transaction."""

    db: Db
    now: datetime
    cause: str
    rules: Rulebook

    @property
    def escalation(self) -> EscalationRules:
        """When a person is called."""
        return self.rules.escalation

    @property
    def signals(self) -> Signals:
        """Words that call for one fixed act."""
        return self.rules.signals

    def asks(self, text: str) -> bool:
        """Whether a line asks something."""
        return self.rules.standing.asks(text)

    def follow_users(self, customer: ExternalUserId) -> list[UserId]:
        """The members who are friends with a customer, oldest first."""
        return [UserId(row["userid"]) for row in people.follows_of(self.db, customer)]

    def responsible(self, customer: ExternalUserId) -> UserId | None:
        """Who acts first for a customer."""
        return people.responsible_for(self.db, customer)

    def has_own_answer(self, msgid: str) -> bool:
        """Whether a message was a refusal or a complaint, which are answered as such."""
        return ledger.speaks_for_itself(self.db, msgid)

    def events_for(self, customer: ExternalUserId, chat_id: ChatId) -> list[OpenEvent]:
        """Events that the customer may mean where they speak, the next one first."""
        branch = events.branch_of(self.db, customer, chat_id)
        found = events.open_for(self.db, branch, self._now_ms(), chat_id)
        return [_open_event(row) for row in found]

    def signed_up(self, customer: ExternalUserId) -> list[OpenEvent]:
        """What the customer has signed up for and that is not over, the next one first."""
        return [_open_event(row) for row in events.signups_of(self.db, customer, self._now_ms())]

    def _now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def kf_is_ours(self, open_kfid: str, customer: ExternalUserId) -> bool:
        """Sessions 0 and 1 are the bot's; one nobody told us of is new."""
        session = talk.kf_session(self.db, open_kfid, customer)
        return session is None or session["service_state"] in {0, 1}


def _open_event(row: Row) -> OpenEvent:
    starts = datetime.fromtimestamp(row["starts_at"] / 1000, UTC)
    party = row["party"] if "party" in row.keys() else 0  # noqa: SIM118  # a row
    return OpenEvent(row["id"], row["name"], row["kind"], starts, party)


class Worker:
    """Works the inbox.

    Attributes:
        unheard: How often each genuine event came that no handler hears, by its name.
        wake_outbox: Called when errands may have been added.
    """

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        clock: Clock,
        rules: Rulebook,
        listener: Listener,
        handlers: Handlers,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._clock = clock
        self._rules = rules
        self._listener = listener
        self._handlers = handlers
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="worker")
        self.unheard: dict[str, int] = {}
        self.wake_outbox: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Work until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch in hand, then stop."""
        self._stopping = True
        self._inbox.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            try:
                worked = self.work_once()
            except Retry as trouble:
                log.warning("worker waits", reason=str(trouble))
                worked = 0
            except Exception:  # whatever it is, the thread must outlive it
                log.exception("worker waits")
                worked = 0
            if not worked:
                self._inbox.wait(0.5)

    def work_once(self) -> int:
        """Work one batch; the number of items taken."""
        items = self._inbox.claim(_BATCH)
        if not items:
            return 0
        try:
            self._database.write(lambda db: self._work_all(db, items))
        except Retry:
            raise
        except Exception:  # noqa: BLE001  # one of them is poison: found by working them singly
            log.info("a batch broke; working its items one by one", items=len(items))
            for item in items:
                self._work_alone(item)
        self._inbox.release(items)
        self.wake_outbox()
        return len(items)

    def _work_all(self, db: Db, items: list[Item]) -> None:
        for item in items:
            if self._inbox.take(db, item):
                self.work(db, item)

    def _work_alone(self, item: Item) -> None:
        try:
            self._database.write(lambda db: self._work_all(db, [item]))
        except Retry:
            raise
        except Exception as error:  # the broad net: poison is set aside, the rest flows
            reason = str(error) if isinstance(error, Invalid) else type(error).__name__
            log.exception("an item broke", item=item.id, source=item.source, reason=reason)
            self._database.write(lambda db: self._inbox.fail(db, item, reason))

    # -- one item

    def work(self, db: Db, item: Item) -> None:
        """Everything that one item causes, inside the caller's transaction."""
        now = self._now_ms()
        self._spread(db, self._open(db, item, now), f"{item.source}-{item.id}", now)

    def notice(self, db: Db, events: Iterable[object]) -> None:
        """Let the handlers hear what was noticed elsewhere, in the caller's transaction."""
        now = self._now_ms()
        self._spread(db, events, f"noticed-{now}", now)

    def _spread(self, db: Db, events: Iterable[object], cause: str, now: int) -> None:
        known = KnownNow(db, self._clock.now(), cause, self._rules)
        waiting: deque[object] = deque(events)
        while waiting:
            event = waiting.popleft()
            if isinstance(event, Event) and not self._handlers.hears(event):
                self._count_unheard(event)
            waiting.extend(self._follow_case(db, event, now))
            for action in self._handlers.actions(event, known):
                waiting.extend(self.act(db, action, now))

    def _follow_case(self, db: Db, event: object, now: int) -> Iterator[object]:
        """Some segments rest on open cases, so opening and closing one moves its customer."""
        if isinstance(event, CaseOpened | CaseClosed):
            case = cases.case(db, event.case_id)
            if case is not None:
                who = [ExternalUserId(case["external_userid"])]
                yield from self._listener.refresh_segments(db, who, event.at, now)

    def _open(self, db: Db, item: Item, now: int) -> Iterator[object]:
        """The item's own event first, then what was noticed while keeping it."""
        if item.source == ARCHIVE:
            yield from self._listener.hear(db, unpack_record(item.body), now)
        elif item.source == KF:
            kf = parse_item(json.loads(item.body))
            record_kf(db, kf, now)
            if isinstance(kf, KfMessage):
                yield from self._listener.hear(db, kf.message, now)
            elif isinstance(kf, KfRecall):
                yield from self._listener.take_back(db, kf.recalls, now)
            yield kf
        else:
            event = parse(item.body)
            noticed = list(record_event(db, event, now))
            yield event
            yield from noticed

    def _count_unheard(self, event: Event) -> None:
        first = event.name not in self.unheard
        self.unheard[event.name] = self.unheard.get(event.name, 0) + 1
        if first:
            log.info("nobody hears this", event_name=event.name, handler=suggest_handler(event))

    # -- actions

    def act(self, db: Db, action: Action, now: int) -> Iterator[object]:
        """Apply a change now, or put an errand into the outbox."""
        if isinstance(action, Change):
            yield from self._change(db, action, now)
        else:
            outbox.add(db, action, now)

    def _change(self, db: Db, change: Change, now: int) -> Iterator[object]:
        match change:
            case Refuse():
                yield from refuse(db, change, now, self._rules.moment(now))
            case Grant():
                consents.record_consent(
                    db,
                    change.customer,
                    change.purpose,
                    granted=True,
                    channel=change.channel,
                    proof=change.proof,
                    at=min(change.at, now),
                )
                journal.note(db, "consent_given", now, customer=change.customer)
            case SignUp() | SignOff():
                yield keep_sign_up(db, change, now, self._rules.moment(now))
            case OpenCase():
                yield from self._open_case(db, change, now)
            case CloseCase():
                yield from close_case(db, change, self._rules, now)
            case KeepAgreement():
                yield from self._listener.settle_agreement(
                    db,
                    f"{change.userid}|{change.customer}",
                    change.customer,
                    agreed=change.agreed,
                    at=change.at,
                    now=now,
                )
            case never:
                assert_never(never)

    def _open_case(self, db: Db, change: OpenCase, now: int) -> Iterator[CaseOpened]:
        who = people.customer(db, change.customer)
        if who is None:
            return
        handling = self._handling(db, change, who["branch"], now)
        if handling.handler is None:
            journal.note(db, "case_without_owner", now, customer=change.customer)
            if change.kind != COMPLAINT:
                return
        assignee = handling.handler or UserId("")
        member = people.staff(db, assignee)
        at = self._rules.moment(now)
        case_id = cases.open_case(
            db,
            kind=change.kind,
            topic=change.topic,
            customer=change.customer,
            chat_id=change.chat_id,
            branch=who["branch"] or (member["branch"] if member else ""),
            assignee=assignee,
            fact_id=change.fact_id,
            at=now,
            deadline=int(self._rules.deadline(change.kind, at, change.topic).timestamp() * 1000),
            quiet_since=now - change.quiet_days * _DAY_MS,
            settle_by=handling.settle_by,
            settle_days=handling.settle_days,
            concerned=",".join(handling.concerned),
        )
        if case_id is None:
            return
        journal.note(
            db,
            "case_opened",
            now,
            customer=change.customer,
            chat_id=change.chat_id,
            userid=assignee or None,
            ref=case_id,
            case=change.kind,
            topic=change.topic,
        )
        yield CaseOpened(case_id, change.kind, change.customer, assignee, at)

    def _handling(self, db: Db, change: OpenCase, branch: str, now: int) -> Handling:
        """Who acts; nobody advises without a certificate, and nobody judges their own case."""
        if change.kind == COMPLAINT:
            return handling_of(db, self._rules, self._listener.vault, change, branch, now)
        if change.kind == ADVICE:
            usual = people.responsible_for(db, change.customer, change.chat_id)
            first = adviser_of(db, self._rules, change.topic, usual, branch)
        else:
            first = first_for(db, change.customer, change.chat_id)
        return Handling(first or duty.in_charge(db, branch))

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def refuse(db: Db, change: Refuse, now: int, at: datetime) -> Iterator[RefusalKept]:
    """Keep a refusal; what is planned stops here, what is handed over is called back."""
    before = consents.standing(db, change.customer)
    consents.record_refusal(
        db,
        change.customer,
        change.scope,
        channel=change.channel,
        proof=change.proof,
        at=now if change.at is None else min(change.at, now),
    )
    journal.note(db, "refused", now, customer=change.customer, scope=change.scope)
    journal.audit(
        db,
        change.channel,
        "refuse",
        change.customer,
        now,
        before=before,
        after=consents.standing(db, change.customer),
        scope=change.scope,
    )
    stop_sending(db, change.customer, now)
    yield RefusalKept(change.customer, change.scope, at)


def stop_sending(db: Db, customer: ExternalUserId, now: int) -> None:
    """Drop what is planned for somebody who refused, and call back what is handed over."""
    for task_id in pushes.stop_for(db, customer, now):
        outbox.add(db, pushes.cancellation(task_id, "refusal"), now)


def keep_sign_up(db: Db, change: SignUp | SignOff, now: int, at: datetime) -> SignUpKept:
    """Give or free seats; what became of the wish."""
    if isinstance(change, SignUp):
        party = min(max(change.party, 1), events.MOST_PARTY)
        wish = events.Wish(change.customer, party, change.source, change.chat_id, change.msgid)
        outcome = events.sign_up(db, change.event_id, wish, now)
    else:
        events.cancel(db, change.event_id, change.customer, now)
        outcome = "off"
    journal.note(
        db, "signed_up", now, customer=change.customer, ref=change.event_id, outcome=outcome
    )
    return SignUpKept(change.customer, change.event_id, outcome, change.msgid, at, change.open_kfid)


def close_case(db: Db, change: CloseCase, rules: Rulebook, now: int) -> Iterator[CaseClosed]:
    """Record an outcome; 稍后 keeps the case open until the next branch day ends.

    A second press only updates the card; nobody closes a complaint about themself.
    """
    case = cases.case(db, change.case_id)
    if case is None or is_about(case, change.by):
        return
    at = rules.moment(now)
    if change.outcome == LATER:
        tomorrow = rules.calendar.end_of_branch_day(rules.calendar.end_of_branch_day(at))
        done = cases.put_off(db, change.case_id, change.by, now, int(tomorrow.timestamp() * 1000))
    else:
        done = cases.close_case(
            db, change.case_id, change.outcome, change.by, now, note=change.note
        )
    if done:
        journal.note(
            db,
            "case_put_off" if change.outcome == LATER else "case_closed",
            now,
            customer=case["external_userid"],
            userid=change.by,
            ref=change.case_id,
            outcome=change.outcome,
        )
    yield CaseClosed(change.case_id, change.outcome, change.by, change.response_code, at)
