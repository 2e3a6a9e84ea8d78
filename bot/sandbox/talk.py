"""What people say to each other, who agreed to archiving, and what therefore is archived."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.errors import Invalid
from bot.sandbox.groups import Groups
from bot.sandbox.records import Fields, Message
from bot.sandbox.state import act

# Kinds whose content stands under another name in the archive (document/path/91774).
_CONTENT_KEY = {
    "external_redpacket": "redpacket",
    "meeting_notification": "info",
    "docmsg": "doc",
    "markdown": "info",
    "news": "info",
    "voiptext": "info",
    "qydiskfile": "info",
}


class Talk(Groups):
    """Conversations of staff and customers, in groups and one to one."""

    @act
    def say(
        self,
        sender: str,
        content: str | Fields,
        *,
        chat_id: str = "",
        peer: str = "",
        at: datetime | None = None,
    ) -> str:
        """Somebody says something in a group or to one person.

        A customer's words are archived only when that customer agreed in that conversation; an
        employee's words to a customer one to one only when the customer agreed, in a group always.

        Args:
            sender: An employee or a customer, in the group if there is one.
            content: Text, or ``{"msgtype": "image", "image": {…}}`` for any other kind.
            chat_id: The group, or
            peer: the one other person.
            at: When; now by default. Aware.

        Returns:
            The ``msgid``; whether it was archived is ``messages[msgid].seq``.
        """
        message = self._message(sender, content, chat_id, peer, at)
        self.keep(message)
        self.record(
            "said",
            msgid=message.msgid,
            sender=sender,
            chat_id=chat_id,
            peer=peer,
            msgtype=message.msgtype,
            text=message.text,
            archived=message.seq is not None,
        )
        return message.msgid

    def _message(
        self, sender: str, content: str | Fields, chat_id: str, peer: str, at: datetime | None
    ) -> Message:
        receivers = self._receivers(sender, chat_id, peer)
        if isinstance(content, str):
            content = {"msgtype": "text", "text": {"content": content}}
        msgtype = str(content.get("msgtype", ""))
        body = content.get(msgtype, content.get(_CONTENT_KEY.get(msgtype, "")))
        if not msgtype or not isinstance(body, dict):
            raise Invalid("消息需要 msgtype 和同名的内容,例如 {'msgtype':'text','text':{...}}")
        moment = (at or self.now()).astimezone(UTC)
        msgid = self._msgid(moment, external=self._external(sender, *receivers))
        return Message(msgid, sender, receivers, chat_id, moment, msgtype, body)

    def _receivers(self, sender: str, chat_id: str, peer: str) -> tuple[str, ...]:
        if bool(chat_id) == bool(peer):
            raise Invalid("say 需要 chat_id 或 peer 中的一个")
        if not chat_id:
            self._known_person(sender)
            self._known_person(peer)
            return (peer,)
        group = self.known_group(chat_id)
        if sender not in group.members:
            raise Invalid(f"{sender} 不在群 {chat_id} 里,不能发言")
        return tuple(person for person in group.members if person != sender)

    def _external(self, *people: str) -> bool:
        return any(person in self.customers for person in people)

    def _msgid(self, moment: datetime, *, external: bool) -> str:
        number = self.random.randrange(10**18, 10**19)
        suffix = "_external" if external else ""
        return f"{number}_{int(moment.timestamp() * 1000)}{suffix}"

    def keep(self, message: Message) -> None:
        """Remember a message, archive it when that is allowed, and note who talked with whom."""
        self.messages[message.msgid] = message
        if not message.chat_id:
            self._note_talk(message)
        if self.may_archive(message):
            message.seq = self._archive(message)

    def _note_talk(self, message: Message) -> None:
        for pair in (
            (message.sender, message.receivers[0]),
            (message.receivers[0], message.sender),
        ):
            friendship = self.friendships.get(pair)
            if friendship is not None:
                friendship.talked_at = message.at

    def may_archive(self, message: Message) -> bool:
        """Whether consent and the archive's member range allow keeping this message."""
        people = (message.sender, *message.receivers)
        if not any(p in self.staff and self.staff[p].archived for p in people):
            return False
        if message.sender in self.customers:
            return self.agreed(message.chat_id or message.receivers[0], message.sender)
        if message.chat_id or message.receivers[0] not in self.customers:
            return True
        return self.agreed(message.sender, message.receivers[0])

    def agreed(self, conversation: str, customer: str) -> bool:
        """Whether the customer agreed in that conversation (a group's id or a member's)."""
        answer = self.consents.get((conversation, customer))
        return answer is not None and answer[0]

    def _archive(self, message: Message) -> int:
        """Put a message into the archive as the platform would write it and notify the bot."""
        key = _CONTENT_KEY.get(message.msgtype, message.msgtype)
        plain: dict[str, Any] = {
            "msgid": message.msgid,
            "action": "recall" if message.msgtype == "revoke" else "send",
            "from": message.sender,
            "tolist": list(message.receivers),
            "roomid": message.chat_id,
            "msgtime": int(message.at.timestamp() * 1000),
            "msgtype": message.msgtype,
            key: message.body,
        }
        return self.archive_raw(plain, message.at)

    @act
    def archive_raw(self, plain: Fields, at: datetime | None = None, damage: str = "") -> int:
        """Put any record into the archive as it is and return its sequence number.

        Args:
            plain: The decrypted record.
            at: When it was said; now by default.
            damage: ``body``, ``key``, ``msgid`` or ``json``: how it is broken.
        """
        seq = self.archive.add(plain, at or self.now(), damage)
        self.tell("archive", "msgaudit_notify", AgentID=2000004)
        return seq

    @act
    def recall(self, msgid: str) -> None:
        """The sender takes a message back; the archive gets a record that says so."""
        message = self.messages.get(msgid)
        if message is None or message.recalled:
            raise Invalid(f"没有可以撤回的消息 {msgid}")
        message.recalled = True
        moment = self.now()
        note = Message(
            self._msgid(moment, external=self._external(message.sender, *message.receivers)),
            message.sender,
            message.receivers,
            message.chat_id,
            moment,
            "revoke",
            {"pre_msgid": msgid},
        )
        self.keep(note)
        self.record("recalled", msgid=msgid, sender=message.sender)

    @act
    def agree(self, conversation: str, customer: str) -> None:
        """The customer agrees to archiving in a group or with a member."""
        self._answer(conversation, customer, agreed=True)

    @act
    def disagree(self, conversation: str, customer: str) -> None:
        """The customer refuses archiving in a group or with a member; they may still chat."""
        self._answer(conversation, customer, agreed=False)

    def _answer(self, conversation: str, customer: str, *, agreed: bool) -> None:
        self.known_customer(customer)
        group = self.groups.get(conversation)
        if group is None:
            self.known_staff(conversation)
        moment = self.now()
        self.consents[conversation, customer] = (agreed, moment)
        kind = "agree" if agreed else "disagree"
        body = {"userid": customer, f"{kind}_time": int(moment.timestamp() * 1000)}
        members = group.members if group else (conversation,)
        others = tuple(person for person in members if person != customer)
        chat_id = conversation if group else ""
        msgid = self._msgid(moment, external=True)
        note = Message(msgid, customer, others, chat_id, moment, kind, body)
        self.messages[note.msgid] = note
        # The answer itself is always archived; it is how a refusal becomes known at all.
        note.seq = self._archive(note)
        if agreed and group is None:
            self._tell_approved(conversation, customer)
        self.record(kind, conversation=conversation, external_userid=customer)

    def _tell_approved(self, userid: str, customer: str) -> None:
        pair = self.friends(userid, customer)
        fresh = pair is not None and pair.talked_at is None
        code = self._welcome_code(pair) if pair is not None and fresh else ""
        self.tell(
            "external_contact",
            "change_external_contact",
            ChangeType="msg_audit_approved",
            UserID=userid,
            ExternalUserID=customer,
            WelcomeCode=code or None,
        )

    def deliver(
        self,
        channel: str,
        sender: str,
        *,
        text: str,
        attachments: list[Fields] | None = None,
        external_userid: str = "",
        chat_id: str = "",
        **more: object,
    ) -> None:
        """Something of ours reached a customer or a group: the channel's own record of it.

        Archived like any message of the sender, because that is what it is in the client.
        """
        receivers = self._receivers(sender, chat_id, external_userid)
        external = self._external(sender, *receivers)
        msgid = self._msgid(self.now(), external=external)
        body = {"content": text}
        message = Message(msgid, sender, receivers, chat_id, self.now(), "text", body, via=channel)
        self.keep(message)
        self.record(
            "delivered",
            channel=channel,
            sender=sender,
            external_userid=external_userid,
            chat_id=chat_id,
            text=text,
            attachments=attachments or [],
            msgid=msgid,
            **more,
        )

    def conversation(
        self, *, chat_id: str = "", pair: tuple[str, str] | None = None
    ) -> list[Message]:
        """The messages of a group or of two people, oldest first."""
        with self.lock:
            if chat_id:
                return [m for m in self.messages.values() if m.chat_id == chat_id]
            both = set(pair or ())
            return [
                m
                for m in self.messages.values()
                if not m.chat_id and {m.sender, *m.receivers} == both
            ]
