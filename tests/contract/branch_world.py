"""A made-up branch for the suites of sending: people, a WeCom that remembers, and one outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

from backends import all_tables

from bot import outbox
from bot.actions import CancelMassSend, CreateMassSend, Errand
from bot.clock import SHANGHAI, FixedClock
from bot.errands.mass import MassSender
from bot.model import ChatId, ExternalUserId, MsgId, UserId
from bot.outbox import Effect, Outbox
from bot.permits import audience_rule, permits_of
from bot.planning import plan_steps
from bot.rulebook import Rulebook
from bot.store import approvals, consents, others, people, planning, talk
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import GroupMsg, MassSendTask, Media, MemberSend, SendResult, WeComClient
from bot.worker import stop_sending
from scheduler.approval import audience_cover
from scheduler.campaigns import parse_campaign

TODAY = date(2026, 11, 24)


@dataclass
class Accepted:
    """A task as WeCom keeps it: the oracle of what can reach a customer."""

    msgid: MsgId
    sender: UserId
    customers: list[str]
    text: str
    made_at: datetime
    chat_type: str = "single"
    attachments: list[Mapping[str, Any]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    cancelled: bool = False
    by_hand: bool = False


@dataclass
class FakeWeCom:
    """What ``MassSender`` calls; each call can be made to fail before or after it counts.

    ``lag`` is how long a new task is missing in the list.
    """

    clock: FixedClock
    tasks: list[Accepted] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _call: None
    after: Callable[[str], None] = lambda _call: None
    fail_list: tuple[str, ...] = ()
    lag: timedelta = timedelta(0)
    lists_members: bool = True

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)

    def add_msg_template(
        self,
        chat_type: str,
        *,
        sender: UserId,
        external_userids: Sequence[str] = (),
        chat_ids: Sequence[str] = (),
        text: str,
        attachments: Sequence[Mapping[str, Any]] = (),
        latest: float = 0.0,  # noqa: ARG002  # nothing stands still here
    ) -> MassSendTask:
        assert bool(chat_ids) == (chat_type == "group") != bool(external_userids)
        self._call("create")
        msgid = MsgId(f"msg{len(self.tasks)}")
        wanted = chat_ids or external_userids
        reached = [each for each in wanted if each not in self.fail_list]
        made = Accepted(
            msgid, sender, reached, text, self.clock.now(), chat_type, list(attachments)
        )
        self.tasks.append(made)
        self.after("create")
        return MassSendTask(msgid, self.fail_list)

    def media_uploadimg(self, filename: str, content: bytes) -> str:
        self._call("uploadimg")
        return f"https://wework.qpic.cn/{filename}/{len(content)}/{self.calls.count('uploadimg')}"

    def media_upload(self, kind: str, filename: str, content: bytes) -> Media:
        self._call("upload")
        number = self.calls.count("upload")
        return Media(f"{kind}-{filename}-{len(content)}-{number}", self.clock.now())

    def cancel_groupmsg_send(self, msgid: str) -> bool:
        self._call("cancel")
        task = self.task(msgid)
        first, task.cancelled = not task.cancelled, True
        self.after("cancel")
        return first

    def get_groupmsg_task(self, msgid: str, cursor: str = "") -> tuple[list[MemberSend], str]:
        assert not cursor
        self._call("members")
        task = self.task(msgid)
        found = [MemberSend(task.sender, bool(task.sent))] if self.lists_members else []
        self.after("members")
        return found, ""

    def get_groupmsg_send_result(
        self, msgid: str, userid: str, cursor: str = ""
    ) -> tuple[list[SendResult], str]:
        """Pages of two, so that every reader has to turn them."""
        self._call("results")
        task = self.task(msgid)
        start = int(cursor or 0)
        rows = [
            SendResult(UserId(userid), task.sent.get(each, 0), ExternalUserId(each))
            for each in task.customers[start : start + 2]
            if task.chat_type == "single"
        ]
        # Of groups WeCom lists only those that were sent to.
        rows += [
            SendResult(UserId(userid), task.sent[each], chat_id=ChatId(each))
            for each in task.customers[start : start + 2]
            if task.chat_type == "group" and each in task.sent
        ]
        self.after("results")
        return rows, str(start + 2) if start + 2 < len(task.customers) else ""

    def get_groupmsg_list_v2(
        self, chat_type: str, start: datetime, end: datetime, *, filter_type: int, cursor: str
    ) -> tuple[list[GroupMsg], str]:
        assert filter_type in {0, 2}
        assert cursor == ""
        assert timedelta(0) <= end - start <= timedelta(days=31)
        self._call("list")
        found = [
            GroupMsg(
                each.msgid,
                each.sender if each.by_hand else None,
                each.made_at,
                int(each.by_hand),
                each.text,
            )
            for each in self.tasks
            if each.chat_type == chat_type
            and filter_type in {int(each.by_hand), 2}
            and start <= each.made_at <= end
            and self.clock.now() - each.made_at >= self.lag
        ]
        self.after("list")
        return found, ""

    # -- the member's side

    def task(self, msgid: str) -> Accepted:
        return next(each for each in self.tasks if each.msgid == msgid)

    def tap(self, msgid: str, *, status: int = 1, only: Sequence[str] | None = None) -> None:
        """The member confirms a task: everybody in it is sent to, if it was not cancelled."""
        task = self.task(msgid)
        if not task.cancelled:
            task.sent |= dict.fromkeys(task.customers if only is None else only, status)

    def send_by_hand(self, sender: str, *recipients: str, chat_type: str = "single") -> MsgId:
        """A member mass-sends without us."""
        msgid = MsgId(f"hand{len(self.tasks)}")
        who, at = list(recipients), self.clock.now()
        made = Accepted(msgid, UserId(sender), who, "周末愉快", at, chat_type, by_hand=True)
        self.tasks.append(made)
        self.tap(msgid)
        return msgid

    def open_tasks_with(self, customer: str) -> int:
        """In how many tasks a customer is that a member could still confirm, or did."""
        return sum(
            customer in each.customers and (not each.cancelled or each.sent.get(customer) == 1)
            for each in self.tasks
        )


@dataclass
class Branch:
    """東山支行 with two members; everything of the core that sends, and nothing else."""

    store: Database
    vault: Vault
    clock: FixedClock
    rules: Rulebook
    wecom: FakeWeCom
    mass: MassSender
    box: Outbox

    # -- people

    def meet(
        self,
        customer: str,
        *,
        sender: str = "lin",
        name: str = "",
        layer: str = "potential",
        consented: bool = True,
        birthday: tuple[int, ...] | None = None,
        calendar: str = "solar",
        leap: bool = False,
    ) -> None:
        """A customer who is a friend of a member."""
        now = self.now

        def keep(db: Db) -> None:
            people.know_person(db, customer, now, name)
            db.run(
                "UPDATE customer SET layer = :layer, gender = 'female', core_id = :core,"
                " branch = '东山支行' WHERE external_userid = :id",
                layer=layer,
                core=f"C{customer}" if name else None,
                id=customer,
            )
            people.keep_follow(
                db, ExternalUserId(customer), {"userid": sender, "createtime": 1_700_000_000}
            )
            people.settle_customer(db, customer)
            if consented:
                consents.record_consent(
                    db,
                    customer,
                    "marketing",
                    granted=True,
                    channel="counter",
                    proof="form",
                    at=now - 86_400_000,
                )
            if birthday is not None:
                value = {
                    "calendar": calendar,
                    "month": birthday[0],
                    "day": birthday[1],
                    "leap": leap,
                }
                self.rules.keep_birthday(db, ExternalUserId(customer), value, "core", now)

        self.store.write(keep)

    def part(self, customer: str, userid: str) -> None:
        """A member is a customer's friend no more."""
        self.store.write(
            lambda db: people.end_follow(
                db, UserId(userid), ExternalUserId(customer), "customer", self.now
            )
        )

    def hold(
        self,
        account: str,
        customer: str,
        matures: date,
        *,
        kind: str = "time_deposit",
        manager: str = "",
    ) -> None:
        """A holding of a customer that falls due."""
        self.store.write(
            lambda db: db.run(
                "INSERT INTO holding (account_ref, external_userid, kind, matures_on, manager)"
                " VALUES (:account, :id, :kind, :on, :manager)",
                account=account,
                id=customer,
                kind=kind,
                on=matures.isoformat(),
                manager=manager,
            )
        )

    def group(self, chat_id: str, *members: str, owner: str = "lin", segment: str = "") -> None:
        """A customer group with members."""

        def keep(db: Db) -> None:
            db.run(
                "INSERT INTO group_chat (chat_id, name, owner, branch, segment)"
                " VALUES (:id, :id, :owner, '东山支行', :segment)",
                id=chat_id,
                owner=owner,
                segment=segment,
            )
            for member in members:
                db.run(
                    "INSERT INTO group_member (chat_id, member, joined_at) VALUES (:id, :who, 1)",
                    id=chat_id,
                    who=member,
                )

        self.store.write(keep)

    def campaign(self, source: str, *, assessed: bool = True) -> None:
        """A campaign that the release lets go out, beside those that are shipped."""
        name = source.split("name: ")[1].split("\n", maxsplit=1)[0]
        found = parse_campaign(source, f"{name}.md")
        found.check(self.rules.segments)
        self.rules = replace(
            self.rules,
            campaigns={**self.rules.campaigns, name: found},
            release={**self.rules.release, f"campaigns/{name}.md": found.text_hash},
        )
        self.mass.rules = self.rules
        self.mass.__dict__.pop("judge", None)
        if assessed and found.profiling:
            about = audience_cover(found, audience_rule(self.rules, found))
            self.store.write(
                lambda db: approvals.keep_assessment(db, name, about, "ann", {}, self.now)
            )

    def only(self, *names: str) -> None:
        """Leave all other campaigns out."""
        kept = {name: self.rules.campaigns[name] for name in names}
        self.rules = self.mass.rules = replace(self.rules, campaigns=kept)
        self.mass.__dict__.pop("judge", None)

    def refuse(self, customer: str) -> None:
        """A refusal is committed, with what it stops."""
        now = self.now

        def keep(db: Db) -> None:
            consents.record_refusal(
                db, customer, "marketing", channel="talk", proof=f"m{now}", at=now
            )
            stop_sending(db, ExternalUserId(customer), now)

        self.store.write(keep)

    def compared(self) -> None:
        """Friendships were just compared with WeCom, and the others' mass sends read."""

        def compared(db: Db) -> None:
            talk.move_cursor(db, talk.RECONCILED, str(self.now), self.now)
            talk.move_cursor(db, others.READ, str(self.now), self.now)

        self.store.write(compared)

    # -- the way of a push

    @property
    def now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    def plan(self, on: date = TODAY) -> int:
        return self.store.write(lambda db: planning.plan(db, self.steps(db, on), self.now))

    def steps(self, db: Db, on: date) -> list[planning.PlanStep]:
        """What a day's planning looks for, by the texts in force."""
        return plan_steps(self.rules, on, permits_of(db, self.rules, self.clock.now()))

    def work(self) -> int:
        """Do every errand that may be done now."""
        worked = 0
        while self.box.work_once():
            worked += 1
        return worked

    def send(self) -> None:
        """Release what is due and make the calls."""
        self.mass.release()
        self.work()

    def later(self, **span: float) -> None:
        self.clock.move(timedelta(**span))

    def settle(self, minutes: int = 30) -> None:
        """Let time pass with everything that the scheduler rings."""
        for _ in range(minutes):
            self.later(minutes=1)
            self.mass.release()
            self.mass.expire()
            self.mass.reconcile()
            self.work()
            self.mass.poll()

    # -- what to look at

    def keys(self) -> list[str]:
        """The once-only keys of all pushes."""
        return [row[0] for row in self.store.read().rows("SELECT key FROM push ORDER BY key")]

    def status_of(self, campaign: str) -> str:
        """The status of a campaign's only push."""
        return str(
            self.store.read().value("SELECT status FROM push WHERE campaign = :c", c=campaign)
        )

    def by_chat(self, campaign: str) -> dict[str, str]:
        """The status of each group's push of a campaign."""
        rows = self.store.read().rows(
            "SELECT chat_id, status FROM push WHERE campaign = :c", c=campaign
        )
        return {row["chat_id"]: row["status"] for row in rows}

    def pushes(self) -> list[tuple[str, str, str | None, int]]:
        """(customer, status, reason, attempt) of every push, in order."""
        rows = self.store.read().rows("SELECT * FROM push ORDER BY external_userid, id")
        return [
            (row["external_userid"], row["status"], row["reason"], row["attempt"]) for row in rows
        ]

    def statuses(self) -> dict[str, str]:
        return {who: status for who, status, _, _ in self.pushes()}

    def tasks(self) -> list[str]:
        """The states of the send tasks."""
        rows = self.store.read().rows("SELECT status FROM send_task ORDER BY id")
        return [row["status"] for row in rows]

    def decisions(self, customer: str) -> list[tuple[str, str]]:
        """(answer, rules) of every decision about a customer, oldest first."""
        rows = self.store.read().rows(
            "SELECT * FROM decision WHERE external_userid = :id ORDER BY id", id=customer
        )
        return [(row["answer"], row["rules"]) for row in rows]


def build_branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    """An empty branch whose friendships were just compared."""
    wecom = FakeWeCom(clock)
    mass = MassSender(store, vault, clock, rules, cast("WeComClient", wecom))
    mass.doubts.late = timedelta(0)  # this WeCom tells at once

    def perform(errand: Errand) -> Effect | None:
        if isinstance(errand, CreateMassSend):
            return mass.create(errand)
        assert isinstance(errand, CancelMassSend)
        return mass.cancel(errand)

    branch = Branch(store, vault, clock, rules, wecom, mass, Outbox(store, clock, perform))
    store.write(_add_staff)
    branch.compared()
    return branch


def _add_staff(db: Db) -> None:
    for userid, name in (("lin", "林一"), ("zhou", "周二")):
        db.run(
            "INSERT INTO staff (userid, name, branch) VALUES (:id, :name, '东山支行')",
            id=userid,
            name=name,
        )


def shanghai(*moment: int) -> datetime:
    """A moment at the branch."""
    return datetime(*moment, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]  # year to minute


def dump(db: Db) -> dict[str, list[Any]]:
    """Everything in the store, to see that nothing changed."""
    tables = [row[0] for row in db.rows(all_tables(db))]
    return {
        name: sorted((tuple(row) for row in db.rows(f'SELECT * FROM "{name}"')), key=repr)
        for name in tables
    }


def errands(db: Db, kind: str) -> list[str]:
    """The states of the errands of a kind, oldest first."""
    rows = db.rows("SELECT state FROM outbox WHERE kind = :kind ORDER BY id", kind=kind)
    return [row["state"] for row in rows]


def add_errand(branch: Branch, errand: Errand) -> None:
    """Put an errand into the outbox now."""
    branch.store.write(lambda db: outbox.add(db, errand, branch.now))
