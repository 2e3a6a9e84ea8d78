"""WeChat customer service (微信客服): sessions, messages and the agents' side."""

from __future__ import annotations

from datetime import timedelta

from bot.errors import Invalid
from bot.sandbox.desk import Desk
from bot.sandbox.records import Callback, Fields, KfAccount, KfCode, KfSession
from bot.sandbox.state import act

WINDOW = timedelta(hours=48)
KEPT = timedelta(days=3)
TOKEN_SECONDS = 600.0
SHORT_CODE, LONG_CODE = 20.0, 48 * 3600.0


class Service(Desk):
    """Customers who write to a customer-service account, and the agents behind it."""

    @act
    def add_kf_account(
        self, name: str, servicers: list[str] | None = None, open_kfid: str | None = None
    ) -> str:
        """Open an account with its agents (all receiving) and return its id."""
        open_kfid = open_kfid or self.new_id("wk")
        receiving = dict.fromkeys(servicers or [], 0)
        self.kf_accounts[open_kfid] = KfAccount(open_kfid, name, receiving)
        self.record("kf_account_added", open_kfid=open_kfid, name=name)
        return open_kfid

    def kf_account(self, open_kfid: str) -> KfAccount:
        """The account, or a clear refusal."""
        if open_kfid not in self.kf_accounts:
            raise Invalid(f"没有客服账号 {open_kfid},请先 add_kf_account")
        return self.kf_accounts[open_kfid]

    def kf_session(self, open_kfid: str, customer: str) -> KfSession:
        """The session of one customer; begins as 4 (not begun)."""
        return self.kf_sessions.setdefault((open_kfid, customer), KfSession())

    @act
    def kf_enter(
        self, customer: str, open_kfid: str, scene: str = "", scene_param: str = ""
    ) -> str:
        """The customer opens the chat; returns the welcome code, or "" when none is due.

        A code is given only when they were not welcomed and wrote nothing for 48 hours; it is
        valid for 20 seconds of real time.
        """
        self.known_customer(customer)
        session = self.kf_session(open_kfid, customer)
        since = self.now() - WINDOW
        recent = any(m is not None and m > since for m in (session.wrote_at, session.welcomed_at))
        seconds = self.settings.welcome_seconds
        code = "" if recent else self.kf_code("welcome", open_kfid, customer, seconds)
        event: Fields = {"scene": scene, "scene_param": scene_param}
        if code:
            event["welcome_code"] = code
        self._kf_event("enter_session", open_kfid, customer, event)
        self.record("kf_entered", open_kfid=open_kfid, external_userid=customer, scene=scene)
        return code

    def kf_code(
        self, kind: str, open_kfid: str, customer: str, seconds: float, state: int = -1
    ) -> str:
        """A right to one event message; ``state`` -1: whatever the session's state is then."""
        code = self.new_id("", 32)
        expires = self.monotonic() + seconds
        self.kf_codes[code] = KfCode(kind, open_kfid, customer, expires, state)
        return code

    @act
    def kf_say(
        self, customer: str, open_kfid: str, content: str | Fields, menu_id: str = ""
    ) -> str:
        """The customer writes; an ended session begins anew. Returns the msgid."""
        self.known_customer(customer)
        session = self.kf_session(open_kfid, customer)
        session.state = 0 if session.state == 4 else session.state
        session.wrote_at, session.sent = self.now(), 0
        if isinstance(content, str):
            body: Fields = {"content": content} | ({"menu_id": menu_id} if menu_id else {})
            content = {"msgtype": "text", "text": body}
        msgid = self._kf_log(
            open_kfid, {"open_kfid": open_kfid, "external_userid": customer, "origin": 3} | content
        )
        self.record(
            "kf_said",
            msgid=msgid,
            open_kfid=open_kfid,
            external_userid=customer,
            text=str(content.get("text", {}).get("content", "")),
        )
        return msgid

    def _kf_log(self, open_kfid: str, message: Fields) -> str:
        """Append to the account's log and tell the bot that there is news."""
        msgid = self.new_id("", 32)
        head: Fields = {"msgid": msgid, "send_time": self.seconds()}
        self.kf_account(open_kfid).log.append(head | message)
        token = self.new_id("ENC", 48)
        self.kf_tokens[token] = self.monotonic() + TOKEN_SECONDS
        fields: Fields = {
            "ToUserName": self.settings.corp_id,
            "CreateTime": self.seconds(),
            "MsgType": "event",
            "Event": "kf_msg_or_event",
            "Token": token,
            "OpenKfId": open_kfid,
        }
        self.emit(Callback("kf", fields))
        return msgid

    def _kf_event(self, kind: str, open_kfid: str, customer: str, event: Fields) -> str:
        ids = {"event_type": kind, "open_kfid": open_kfid, "external_userid": customer}
        return self._kf_log(open_kfid, {"origin": 4, "msgtype": "event", "event": ids | event})

    @act
    def kf_recall(self, customer: str, open_kfid: str, msgid: str) -> None:
        """The customer takes a message back."""
        self._kf_event("user_recall_msg", open_kfid, customer, {"recall_msgid": msgid})
        self.record("kf_recalled", open_kfid=open_kfid, external_userid=customer, msgid=msgid)

    @act
    def kf_servicer_status(self, open_kfid: str, userid: str, *, receiving: bool) -> None:
        """An agent starts or stops receiving."""
        self.kf_account(open_kfid).servicers[userid] = 0 if receiving else 1
        event: Fields = {
            "event_type": "servicer_status_change",
            "servicer_userid": userid,
            "status": 1 if receiving else 2,
            "open_kfid": open_kfid,
        }
        if not receiving:
            event["stop_type"] = 0
        self._kf_log(open_kfid, {"origin": 4, "msgtype": "event", "event": event})
        self.record("kf_servicer_status", open_kfid=open_kfid, userid=userid, receiving=receiving)

    @act
    def kf_take(self, userid: str, customer: str, open_kfid: str) -> None:
        """An agent takes a customer out of the pool."""
        session = self._in_state(open_kfid, customer, 2)
        session.state, session.servicer = 3, userid
        code = self.kf_code("taken", open_kfid, customer, LONG_CODE, 3)
        self._kf_change(1, open_kfid, customer, new=userid, code=code)

    @act
    def kf_transfer(self, customer: str, open_kfid: str, to: str) -> None:
        """An agent hands the customer to another agent."""
        session = self._in_state(open_kfid, customer, 3)
        old, session.servicer = session.servicer, to
        self._kf_change(2, open_kfid, customer, old=old, new=to)

    @act
    def kf_end(self, customer: str, open_kfid: str) -> None:
        """An agent ends the session."""
        session = self._in_state(open_kfid, customer, 3)
        old, session.servicer, session.state = session.servicer, "", 4
        code = self.kf_code("ended", open_kfid, customer, SHORT_CODE, 4)
        self._kf_change(3, open_kfid, customer, old=old, code=code)

    @act
    def kf_servicer_say(self, userid: str, customer: str, open_kfid: str, text: str) -> str:
        """An agent writes; an ended session is opened again as theirs. Returns the msgid."""
        session = self.kf_session(open_kfid, customer)
        if session.state == 4:
            session.state, session.servicer = 3, userid
            self._kf_change(4, open_kfid, customer, new=userid)
        msgid = self._kf_log(
            open_kfid,
            {
                "open_kfid": open_kfid,
                "external_userid": customer,
                "origin": 5,
                "servicer_userid": userid,
                "msgtype": "text",
                "text": {"content": text},
            },
        )
        self.record("kf_servicer_said", msgid=msgid, userid=userid, external_userid=customer)
        return msgid

    def _in_state(self, open_kfid: str, customer: str, state: int) -> KfSession:
        session = self.kf_session(open_kfid, customer)
        if session.state != state:
            raise Invalid(f"会话状态是 {session.state},此操作需要状态 {state}")
        return session

    def _kf_change(
        self,
        change: int,
        open_kfid: str,
        customer: str,
        old: str = "",
        new: str = "",
        code: str = "",
    ) -> None:
        event: Fields = {
            "change_type": change,
            "old_servicer_userid": old,
            "new_servicer_userid": new,
            "msg_code": code,
        }
        event = {key: value for key, value in event.items() if value}
        self._kf_event("session_status_change", open_kfid, customer, event)
        self.record("kf_session", open_kfid=open_kfid, external_userid=customer, change=change)

    @act
    def kf_refuse(self, customer: str, *, refusing: bool = True) -> None:
        """The customer blocks (or unblocks) the account: sends look fine and then fail."""
        (self.kf_refusing.add if refusing else self.kf_refusing.discard)(customer)
        self.record("kf_refused", external_userid=customer, refusing=refusing)

    def kf_deliver(
        self, open_kfid: str, customer: str, msgid: str, msgtype: str, body: Fields, kind: str
    ) -> None:
        """Our message reaches the customer, or fails later as an event says."""
        if customer in self.kf_refusing:
            failure = {"fail_msgid": msgid, "fail_type": 10}
            self._kf_event("msg_send_fail", open_kfid, customer, failure)
            self.record("kf_failed", msgid=msgid, external_userid=customer, fail_type=10)
            return
        self.record(
            "delivered",
            channel="kf",
            sender=open_kfid,
            external_userid=customer,
            chat_id="",
            text=str(body.get("content", body.get("head_content", ""))),
            msgtype=msgtype,
            body=body,
            msgid=msgid,
            on=kind,
        )
