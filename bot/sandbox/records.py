"""What the world is made of: plain records, changed only by the world's own methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Fields = dict[str, Any]
"""A JSON object as it travels, or the elements of a callback."""


@dataclass
class Department:
    """A branch or a team; the root has id 1 and parent 0."""

    id: int
    name: str
    parentid: int = 1
    order: int = 10


@dataclass
class Staff:
    """An employee; ``contact`` means customer contact is switched on for them."""

    userid: str
    name: str
    department: int = 1
    position: str = ""
    leader: bool = False
    direct_leader: str = ""
    status: int = 1
    contact: bool = True
    archived: bool = True
    mobile: str = ""


@dataclass
class Customer:
    """An external person; ``wm`` ids are WeChat users (type 1), ``wo`` ids WeCom users (type 2)."""

    external_userid: str
    name: str
    gender: int = 0
    corp_name: str = ""

    @property
    def type(self) -> int:
        """1 WeChat, 2 WeCom user of another corp."""
        return 2 if self.external_userid.startswith("wo") else 1


@dataclass
class Friendship:
    """One member and one customer; tags and remark belong to the pair.

    Attributes:
        half: The customer added the member without verification; no relation for the API yet.
        talked_at: When they last exchanged a message; decides who gets a mass-send task.
    """

    userid: str
    external_userid: str
    createtime: int
    add_way: int = 1
    state: str = ""
    half: bool = False
    remark: str = ""
    description: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    remark_company: str = ""
    tags: list[str] = field(default_factory=list)
    own_tags: list[str] = field(default_factory=list)
    talked_at: datetime | None = None


@dataclass
class Tag:
    """One corp tag; ``by_api`` tells whether the app made it and so may change it."""

    id: str
    name: str
    create_time: int
    order: int = 0
    by_api: bool = True


@dataclass
class TagGroup:
    """A group of corp tags; disappears with its last tag."""

    id: str
    name: str
    create_time: int
    order: int = 0
    by_api: bool = True
    tags: list[Tag] = field(default_factory=list)


@dataclass
class Member:
    """One person in a customer group; ``join_scene`` 1 invited, 2 link, 3 QR code."""

    userid: str
    join_time: int
    join_scene: int = 1
    invitor: str = ""
    state: str = ""
    group_nickname: str = ""


@dataclass
class Group:
    """A customer group; ``members`` in the order of joining, the owner first.

    ``fresh_at``: monotonic seconds from which reading it shows the latest change.
    """

    chat_id: str
    name: str
    owner: str
    create_time: int
    notice: str = ""
    admins: list[str] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    member_version: str = ""
    welcome_template: str = ""
    fresh_at: float = 0.0
    dismissed: bool = False


@dataclass
class WelcomeCode:
    """A right to one welcome message; ``expires`` is monotonic seconds."""

    code: str
    userid: str
    external_userid: str
    expires: float
    used: bool = False


@dataclass
class Message:
    """Anything somebody could read in a conversation, whether or not it is archived.

    Attributes:
        via: ``person``, or the channel of ours that carried it (``mass_single``, ``welcome``, …).
        seq: Its position in the archive, or None when it was not archived.
    """

    msgid: str
    sender: str
    receivers: tuple[str, ...]
    chat_id: str
    at: datetime
    msgtype: str
    body: Fields
    via: str = "person"
    seq: int | None = None
    recalled: bool = False

    @property
    def text(self) -> str:
        """The words of a text message, else an empty string."""
        return str(self.body.get("content", "")) if self.msgtype == "text" else ""


@dataclass
class Recipient:
    """One customer or group of a mass send: 0 waiting, 1 sent, 2 no friend, 3 over the cap."""

    id: str
    status: int = 0
    send_time: int = 0


@dataclass
class MemberTask:
    """What one member was asked to send; ``open_choice``: the owner has to pick the groups."""

    userid: str
    recipients: dict[str, Recipient]
    sent: bool = False
    send_time: int = 0
    open_choice: bool = False


@dataclass
class MassSend:
    """A mass-send task; nothing reaches anybody before ``confirm_task``.

    Attributes:
        born: Monotonic seconds of creation, for the short time in which it is being dispatched.
        reminders: Instants of the reminders given.
        by_hand: A member's own mass send, not created through the API.
    """

    msgid: str
    chat_type: str
    created_at: datetime
    born: float
    text: str
    attachments: list[Fields]
    allow_select: bool = False
    sender: str = ""
    by_hand: bool = False
    cancelled: bool = False
    tasks: dict[str, MemberTask] = field(default_factory=dict)
    reminders: list[datetime] = field(default_factory=list)


@dataclass
class MomentTask:
    """What one member was asked to publish, and which customers see it since."""

    userid: str
    published: bool = False
    seen_by: list[str] = field(default_factory=list)


@dataclass
class Moment:
    """A moment; nobody sees it before a member publishes it.

    Attributes:
        born: As of a mass send.
        tags: Who may see it carries one of them; none: everybody.
        by_hand: A member's own, not created through the API.
    """

    moment_id: str
    created_at: datetime
    born: float
    text: str
    attachments: list[Fields]
    tags: list[str]
    by_hand: bool = False
    cancelled: bool = False
    tasks: dict[str, MomentTask] = field(default_factory=dict)


@dataclass
class MomentJob:
    """The making of a moment; ``until`` is how long it can be asked about."""

    until: datetime
    born: float
    bad_senders: list[str]
    bad_tags: list[str]
    moment_id: str = ""


@dataclass
class Robot:
    """A robot of an internal group; ``on`` until it is stopped, ``said`` when it spoke lately."""

    key: str
    group: str
    on: bool = True
    said: list[float] = field(default_factory=list)


@dataclass
class AppMessage:
    """An application message as the staff who got it see it.

    Attributes:
        to: Members who really received it (silent drops are not here).
        card: The template card as it looks now for each member, when it is one.
        pressed: Who pressed which button, in order.
        closed: The text on the greyed-out button, by member.
    """

    msgid: str
    agentid: int
    at: datetime
    msgtype: str
    body: Fields
    to: list[str]
    task_id: str = ""
    card: dict[str, Fields] = field(default_factory=dict)
    pressed: list[tuple[str, str]] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    recalled: bool = False


@dataclass
class ResponseCode:
    """A right to change one card once, for 72 hours of the world's clock."""

    msgid: str
    until: datetime
    used: bool = False


@dataclass
class KfAccount:
    """A customer-service account; ``granted`` means it is handed to the API."""

    open_kfid: str
    name: str
    servicers: dict[str, int] = field(default_factory=dict)
    granted: bool = True
    log: list[Fields] = field(default_factory=list)


@dataclass
class KfSession:
    """One customer with one account: 0 new, 1 bot, 2 pool, 3 human, 4 ended."""

    state: int = 4
    servicer: str = ""
    wrote_at: datetime | None = None
    welcomed_at: datetime | None = None
    sent: int = 0


@dataclass
class KfCode:
    """A right to one event message; ``expires`` is monotonic seconds."""

    kind: str
    open_kfid: str
    external_userid: str
    expires: float
    state: int = -1
    used: bool = False


@dataclass
class Media:
    """An uploaded file; ``until`` is None for the permanent address of ``uploadimg``."""

    media_id: str
    kind: str
    filename: str
    content: bytes
    until: datetime | None


@dataclass(frozen=True)
class Callback:
    """Something WeCom would tell the app: the family decides the source address."""

    family: str
    fields: Fields
