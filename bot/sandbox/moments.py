"""Moments: a task that members publish, and who of their customers then sees it."""

from __future__ import annotations

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.sandbox.masses import Masses
from bot.sandbox.records import Fields, Moment, MomentTask
from bot.sandbox.state import act


class Moments(Masses):
    """Creating tasks (the API's side) and publishing them (the member's side)."""

    def create_moment(
        self,
        senders: list[str],
        tags: list[str],
        text: str,
        attachments: list[Fields],
        *,
        by_hand: bool = False,
    ) -> Moment:
        """Keep a new task; the members see it among what waits for them."""
        moment = Moment(
            self.new_id("mom"), self.now(), self.monotonic(), text, attachments, tags, by_hand
        )
        moment.tasks = {userid: MomentTask(userid) for userid in senders}
        self.moments[moment.moment_id] = moment
        self.record(
            "moment_created",
            moment_id=moment.moment_id,
            text=text,
            senders=senders,
            tags=tags,
            by_hand=by_hand,
        )
        return moment

    def cancel_moment(self, moment: Moment) -> None:
        """Stop the members who have not published yet."""
        moment.cancelled = True
        self.record("moment_cancelled", moment_id=moment.moment_id)

    def would_see(self, moment: Moment, userid: str) -> list[str]:
        """A member's friends who carry one of the task's tags now; without tags all of them."""
        wanted = set(moment.tags)
        return [
            pair.external_userid
            for pair in self.customers_of(userid)
            if not pair.half and (not wanted or wanted.intersection(pair.tags))
        ]

    @act
    def pending_tasks(self, userid: str) -> list[Fields]:
        """What waits for the member's tap, moments after mass sends, oldest first."""
        return super().pending_tasks(userid) + [
            {
                "msgid": moment.moment_id,
                "chat_type": "moment",
                "text": moment.text,
                "attachments": moment.attachments,
                "recipients": self.would_see(moment, userid),
                "reminders": 0,
                "created_at": moment.created_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
            }
            for moment in self.moments.values()
            if userid in moment.tasks
            and not moment.tasks[userid].published
            and not moment.cancelled
        ]

    @act
    def confirm_task(
        self, userid: str, msgid: str, recipients: list[str] | None = None
    ) -> dict[str, int]:
        """The member taps 发送, or 发表 of a moment, where nobody can be chosen.

        Args:
            userid: The member.
            msgid: The task.
            recipients: As for mass sends.

        Returns:
            Status by recipient: 1 sent.
        """
        moment = self.moments.get(msgid)
        if moment is None:
            return super().confirm_task(userid, msgid, recipients)
        task = moment.tasks.get(userid)
        if task is None or moment.cancelled or task.published:
            raise Invalid(f"{userid} 没有待发表的朋友圈 {msgid}(不存在、已停止或已发表)")
        if recipients is not None:
            raise Invalid("朋友圈任务不能另选谁可以看")
        self._publish(moment, task)
        return dict.fromkeys(task.seen_by, 1)

    def _publish(self, moment: Moment, task: MomentTask) -> None:
        task.published, task.seen_by = True, self.would_see(moment, task.userid)
        self.record("moment_published", moment_id=moment.moment_id, userid=task.userid)
        for customer in task.seen_by:
            self.record(
                "delivered",
                channel="moments",
                sender=task.userid,
                external_userid=customer,
                chat_id="",
                text=moment.text,
                attachments=moment.attachments,
                mass=moment.moment_id,
                by_hand=moment.by_hand,
            )

    @act
    def publish_by_hand(self, userid: str, text: str) -> str:
        """A member publishes something of their own. Returns the moment's id."""
        self.known_staff(userid)
        moment = self.create_moment([userid], [], text, [], by_hand=True)
        self._publish(moment, moment.tasks[userid])
        return moment.moment_id
