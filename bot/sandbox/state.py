"""The world's state: one lock, one clock, one history; everything else acts on it."""

from __future__ import annotations

import functools
import hashlib
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from bot.clock import SHANGHAI, Clock
from bot.errors import Invalid
from bot.sandbox.archive import ArchiveLog
from bot.sandbox.records import (
    AppMessage,
    Callback,
    Customer,
    Department,
    Fields,
    Friendship,
    Group,
    KfAccount,
    KfCode,
    KfSession,
    MassSend,
    Media,
    Message,
    Moment,
    MomentJob,
    ResponseCode,
    Robot,
    Staff,
    TagGroup,
    WelcomeCode,
)
from bot.sandbox.settings import SandboxSettings

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="WorldState")

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ACTS: set[str] = set()
"""Names of the methods that a person or a script may call from outside (``/sandbox/api/act``)."""


def act(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Mark what a person does in the world; the world is locked meanwhile."""
    ACTS.add(method.__name__)

    @functools.wraps(method)
    def locked(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked


class WorldState:
    """Everything the stand-in knows, in memory.

    Attributes:
        emit: Where callbacks go; the server puts its sender here. Unset, they pile up in
            ``unsent`` so that a test may look at them.
        history: Everything that happened, oldest first; the channel's record. Each entry has
            ``id`` (increasing from 1), ``at`` (ISO, Asia/Shanghai), ``kind`` and its own fields.
        monotonic: Seconds for welcome codes, tokens and waiting times; tests may replace it.
        kf_page: Most rows of ``sync_msg``, however many are asked for (fewer may be returned).
        kf_bare_per_minute: Calls of ``sync_msg`` a minute without a token (the number is not
            published).
    """

    def __init__(
        self,
        settings: SandboxSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock: Clock = settings.clock
        self.monotonic = monotonic
        self.lock = threading.RLock()
        self.random = random.Random(settings.seed)  # noqa: S311  # ids of made-up people, not secrets
        self.history: list[Fields] = []
        self.unsent: list[Callback] = []
        self.emit: Callable[[Callback], None] = self.unsent.append
        self.has_callback_url = True
        self.departments: dict[int, Department] = {1: Department(1, settings.corp_name, 0)}
        self.staff: dict[str, Staff] = {}
        self.customers: dict[str, Customer] = {}
        self.friendships: dict[tuple[str, str], Friendship] = {}
        self._of_customer: dict[str, dict[str, Friendship]] = {}
        self._of_member: dict[str, dict[str, Friendship]] = {}
        self.tag_groups: dict[str, TagGroup] = {}
        self.groups: dict[str, Group] = {}
        self.group_templates: dict[str, Fields] = {}
        self.group_views: dict[str, Fields] = {}
        self.welcome_codes: dict[str, WelcomeCode] = {}
        self.welcomed: set[tuple[str, str]] = set()
        self.consents: dict[tuple[str, str], tuple[bool, datetime]] = {}
        self.messages: dict[str, Message] = {}
        self.masses: dict[str, MassSend] = {}
        self.mass_counts: dict[tuple[str, str], int] = {}
        self.moments: dict[str, Moment] = {}
        self.moment_jobs: dict[str, MomentJob] = {}
        self.robots: dict[str, Robot] = {}
        self.app_messages: dict[str, AppMessage] = {}
        self.cards: dict[str, AppMessage] = {}
        self.response_codes: dict[str, ResponseCode] = {}
        self.sent_requests: dict[str, tuple[float, Fields]] = {}
        self.staff_times: dict[str, list[float]] = {}
        self.kf_accounts: dict[str, KfAccount] = {}
        self.kf_sessions: dict[tuple[str, str], KfSession] = {}
        self.kf_codes: dict[str, KfCode] = {}
        self.kf_tokens: dict[str, float] = {}
        self.kf_refusing: set[str] = set()
        self.kf_msgids: set[str] = set()
        self.kf_page = 1000
        self.kf_bare: list[float] = []
        self.kf_bare_per_minute = 10
        self.media: dict[str, Media] = {}
        self.chat_on_screen = ("", "")
        self.login_codes: dict[str, tuple[str, float, bool]] = {}
        self.canned: dict[str, int] = {}
        self.archive = ArchiveLog(settings.archive_public_keys(), settings.archive_version)
        self._serial = 0

    def now(self) -> datetime:
        """The moment on the world's clock, aware, UTC."""
        return self.clock.now()

    def seconds(self) -> int:
        """The moment as the platform writes it: whole Unix seconds."""
        return int(self.now().timestamp())

    def new_id(self, prefix: str, length: int = 32) -> str:
        """A fresh id with its kind's prefix, the same for the same seed and order."""
        return prefix + "".join(self.random.choices(_BASE62, k=length - len(prefix)))

    def version(self, of: str) -> str:
        """A fresh member version (32 hex digits)."""
        self._serial += 1
        seed = f"{self.settings.seed}:{of}:{self._serial}"
        return hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()

    def record(self, kind: str, **fields: object) -> Fields:
        """Add one entry to the history and return it."""
        at = self.now().astimezone(SHANGHAI).isoformat(timespec="seconds")
        entry: Fields = {"id": len(self.history) + 1, "at": at, "kind": kind, **fields}
        self.history.append(entry)
        return entry

    def history_since(self, last: int = 0, limit: int = 500) -> list[Fields]:
        """Entries with an id above ``last``, oldest first."""
        with self.lock:
            return self.history[last : last + limit]

    def tell(self, family: str, event: str, **fields: object) -> None:
        """Raise a system callback with the elements every such event has."""
        head: Fields = {
            "ToUserName": self.settings.corp_id,
            "FromUserName": "sys",
            "CreateTime": self.seconds(),
            "MsgType": "event",
            "Event": event,
        }
        self.emit(Callback(family, head | {k: v for k, v in fields.items() if v is not None}))

    def name_of(self, person: str) -> str:
        """What the page calls somebody."""
        if person in self.staff:
            return self.staff[person].name
        return self.customers[person].name if person in self.customers else person

    def known_staff(self, userid: str) -> Staff:
        """The employee, or a clear refusal."""
        if userid not in self.staff:
            raise Invalid(f"没有员工 {userid},请先 add_staff")
        return self.staff[userid]

    def known_customer(self, external_userid: str) -> Customer:
        """The customer, or a clear refusal."""
        if external_userid not in self.customers:
            raise Invalid(f"没有客户 {external_userid},请先 add_customer")
        return self.customers[external_userid]

    def known_group(self, chat_id: str) -> Group:
        """The living group, or a clear refusal."""
        group = self.groups.get(chat_id)
        if group is None or group.dismissed:
            raise Invalid(f"没有客户群 {chat_id},请先 create_group")
        return group

    def put_friendship(self, pair: Friendship) -> None:
        """Keep a relation; the only way in, so that both directions find it without a search."""
        self.friendships[pair.userid, pair.external_userid] = pair
        self._of_customer.setdefault(pair.external_userid, {})[pair.userid] = pair
        self._of_member.setdefault(pair.userid, {})[pair.external_userid] = pair

    def drop_friendship(self, userid: str, external_userid: str) -> bool:
        """Forget a relation; False when there was none."""
        if self.friendships.pop((userid, external_userid), None) is None:
            return False
        del self._of_customer[external_userid][userid]
        del self._of_member[userid][external_userid]
        return True

    def friends(self, userid: str, external_userid: str) -> Friendship | None:
        """The relation as the API sees it: a half-made one does not count."""
        found = self.friendships.get((userid, external_userid))
        return None if found is None or found.half else found

    def followers(self, external_userid: str) -> list[Friendship]:
        """Everybody who follows the customer, oldest first."""
        found = self._of_customer.get(external_userid, {}).values()
        return sorted((one for one in found if not one.half), key=lambda one: one.createtime)

    def customers_of(self, userid: str) -> list[Friendship]:
        """The member's customers, in the order of adding."""
        return [one for one in self._of_member.get(userid, {}).values() if not one.half]
