"""Mass sends: a task that a member must confirm; nothing reaches anybody before that tap."""

from __future__ import annotations

import calendar
from datetime import timedelta

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.sandbox.records import Fields, MassSend, MemberTask, Recipient
from bot.sandbox.state import act
from bot.sandbox.talk import Talk

REMINDERS = 3
REMINDER_SPAN = timedelta(hours=24)


class Masses(Talk):
    """Creating tasks (the API's side) and confirming them (the member's side)."""

    def plan_single(
        self, customers: list[str] | None, sender: str, tags: list[list[str]]
    ) -> tuple[dict[str, list[str]], list[str]]:
        """Who would be asked to send to whom.

        Args:
            customers: The ids asked for, or None for everybody the other two select.
            sender: The one member who may send, or "" for any.
            tags: OR inside an entry, AND between entries; ignored when ``customers`` is given.

        Returns:
            Recipients by member, and the ids that cannot be reached.
        """
        wanted = customers if customers is not None else self._tagged(sender, tags)
        plan: dict[str, list[str]] = {}
        failed: list[str] = []
        for customer in dict.fromkeys(wanted):
            userid = self._route(customer, sender)
            if userid is None:
                failed.append(customer)
            else:
                plan.setdefault(userid, []).append(customer)
        return plan, failed

    def _route(self, customer: str, sender: str) -> str | None:
        """The member who gets the task: the sender, else who talked with the customer last."""
        pairs = [p for p in self.followers(customer) if sender in ("", p.userid)]
        pairs = [p for p in pairs if p.userid in self.staff]
        if not pairs:
            return None
        return max(
            pairs, key=lambda p: (p.talked_at.timestamp() if p.talked_at else 0.0, -p.createtime)
        ).userid

    def _tagged(self, sender: str, tags: list[list[str]]) -> list[str]:
        pairs = self.customers_of(sender) if sender else list(self.friendships.values())
        return [
            pair.external_userid
            for pair in pairs
            if not pair.half and all(set(pair.tags).intersection(entry) for entry in tags)
        ]

    def plan_group(
        self, chats: list[str] | None, sender: str
    ) -> tuple[dict[str, list[str]], list[str]]:
        """The sender's groups among those asked for (without a list all), and the others."""
        own = [g.chat_id for g in self.groups.values() if g.owner == sender and not g.dismissed]
        wanted = list(dict.fromkeys(own if chats is None else chats))
        good = [chat for chat in wanted if chat in own]
        return ({sender: good} if good else {}), [chat for chat in wanted if chat not in own]

    def create_mass(
        self,
        chat_type: str,
        plan: dict[str, list[str]],
        text: str,
        attachments: list[Fields],
        *,
        sender: str = "",
        allow_select: bool = False,
        open_choice: bool = False,
        by_hand: bool = False,
    ) -> MassSend:
        """Keep a new task; the members see it in 群发助手."""
        mass = MassSend(
            self.new_id("msg"),
            chat_type,
            self.now(),
            self.monotonic(),
            text,
            attachments,
            allow_select,
            sender,
            by_hand,
        )
        for userid, ids in plan.items():
            recipients = {one: Recipient(one) for one in ids}
            mass.tasks[userid] = MemberTask(userid, recipients, open_choice=open_choice)
        self.masses[mass.msgid] = mass
        self.record(
            "mass_created",
            msgid=mass.msgid,
            chat_type=chat_type,
            text=text,
            plan={userid: list(ids) for userid, ids in plan.items()},
            by_hand=by_hand,
        )
        return mass

    def remind_mass(self, mass: MassSend) -> bool:
        """Remind the members once more; False beyond three in 24 hours."""
        since = self.now() - REMINDER_SPAN
        if len([moment for moment in mass.reminders if moment > since]) >= REMINDERS:
            return False
        mass.reminders.append(self.now())
        waiting = [task.userid for task in mass.tasks.values() if not task.sent]
        self.record("mass_reminded", msgid=mass.msgid, members=waiting)
        return True

    def cancel_mass(self, mass: MassSend) -> None:
        """Stop the members who have not sent yet."""
        mass.cancelled = True
        self.record("mass_cancelled", msgid=mass.msgid)

    @act
    def pending_tasks(self, userid: str) -> list[Fields]:
        """What waits in the member's 群发助手, oldest first."""
        return [
            {
                "msgid": mass.msgid,
                "chat_type": mass.chat_type,
                "text": mass.text,
                "attachments": mass.attachments,
                "recipients": list(mass.tasks[userid].recipients),
                "reminders": len(mass.reminders),
                "created_at": mass.created_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
            }
            for mass in self.masses.values()
            if userid in mass.tasks and not mass.tasks[userid].sent and not mass.cancelled
        ]

    @act
    def confirm_task(
        self, userid: str, msgid: str, recipients: list[str] | None = None
    ) -> dict[str, int]:
        """The member taps 发送.

        Args:
            userid: The member.
            msgid: The task.
            recipients: Whom they leave ticked; all by default. Only a task with ``allow_select``
                or without a list of groups lets them choose.

        Returns:
            Status by recipient: 1 sent, 2 not a friend (or no such group any more), 3 over the cap.
        """
        mass = self.masses.get(msgid)
        task = mass.tasks.get(userid) if mass else None
        if mass is None or task is None or mass.cancelled or task.sent:
            raise Invalid(f"{userid} 没有待发送的群发任务 {msgid}(不存在、已取消或已发送)")
        chosen = list(task.recipients) if recipients is None else recipients
        choice = mass.allow_select or task.open_choice or mass.chat_type == "group"
        if not set(chosen) <= set(task.recipients) or not (choice or recipients is None):
            raise Invalid("这个任务不能另选发送对象")
        task.sent, task.send_time = True, self.seconds()
        for one in chosen:
            self._send_one(mass, userid, task.recipients[one])
        self.record("mass_confirmed", msgid=msgid, userid=userid, recipients=chosen)
        return {one: task.recipients[one].status for one in chosen}

    def _send_one(self, mass: MassSend, userid: str, to: Recipient) -> None:
        to.send_time = self.seconds()
        single = mass.chat_type == "single"
        if not self._reachable(userid, to.id, single=single):
            to.status = 2
        elif self.mass_used(to.id) >= self.mass_cap():
            to.status = 3
        else:
            to.status = 1
            month = self._month()
            self.mass_counts[to.id, month] = self.mass_counts.get((to.id, month), 0) + 1
            self.deliver(
                "mass_single" if single else "mass_group",
                userid,
                text=mass.text,
                attachments=mass.attachments,
                external_userid=to.id if single else "",
                chat_id="" if single else to.id,
                mass=mass.msgid,
                by_hand=mass.by_hand,
            )
            return
        self.record("mass_failed", msgid=mass.msgid, userid=userid, to=to.id, status=to.status)

    def _reachable(self, userid: str, to: str, *, single: bool) -> bool:
        if single:
            return self.friends(userid, to) is not None
        group = self.groups.get(to)
        return group is not None and not group.dismissed and group.owner == userid

    def _month(self) -> str:
        return self.now().astimezone(SHANGHAI).strftime("%Y-%m")

    def mass_used(self, to: str) -> int:
        """Mass messages this customer or group already got in the calendar month."""
        return self.mass_counts.get((to, self._month()), 0)

    def mass_cap(self) -> int:
        """Days of the present month: what one customer or group may get."""
        today = self.now().astimezone(SHANGHAI)
        return calendar.monthrange(today.year, today.month)[1]

    @act
    def send_by_hand(self, userid: str, text: str, recipients: list[str]) -> str:
        """The member mass-sends on their own; it counts against the same cap. Returns the msgid."""
        self.known_staff(userid)
        groups = [one for one in recipients if one in self.groups]
        if not text.strip() or not recipients:
            raise Invalid("群发要有文字,也要选发送对象")
        if groups and len(groups) < len(recipients):
            raise Invalid("一次群发只能全是客户群,或全是客户")
        chat_type = "group" if groups else "single"
        mass = self.create_mass(
            chat_type, {userid: recipients}, text, [], sender=userid, by_hand=True
        )
        self.confirm_task(userid, mass.msgid)
        return mass.msgid
