"""What a handler may ask for. Pure.

A ``Change`` is applied in the transaction of the event; an ``Errand`` waits in the outbox
under its natural key and is performed once, through the gate where customers are reached.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from bot.model import ChatId, ExternalUserId, OpenKfId, UserId

# -- changes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refuse:
    """The customer does not want to be contacted any more; acts without a person.

    ``at`` is when they said it, epoch milliseconds; None is now.
    """

    customer: ExternalUserId
    scope: str
    channel: str
    proof: str
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The customer agrees to a purpose; a consent row with its proof.

    ``at`` is when they said it, epoch milliseconds: what is heard late must not outweigh a
    refusal that came after it.
    """

    customer: ExternalUserId
    purpose: str
    channel: str
    proof: str
    at: int


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A person must act; not opened while the same one is open or was within ``quiet_days``."""

    kind: str
    topic: str
    customer: ExternalUserId
    chat_id: ChatId
    fact_id: int | None
    quiet_days: int


@dataclass(frozen=True, slots=True)
class CloseCase:
    """The outcome of a case, from a button or the console."""

    case_id: int
    outcome: str
    by: UserId
    response_code: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeepAgreement:
    """A customer's answer to archiving in a one-to-one conversation."""

    customer: ExternalUserId
    userid: UserId
    agreed: bool
    at: int


@dataclass(frozen=True, slots=True)
class SignUp:
    """Somebody wants to come to an event."""

    customer: ExternalUserId
    event_id: int
    party: int
    source: str
    chat_id: ChatId
    msgid: str
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class SignOff:
    """Somebody who signed up does not come after all."""

    customer: ExternalUserId
    event_id: int
    msgid: str
    open_kfid: OpenKfId | None = None


Change = Refuse | Grant | OpenCase | CloseCase | KeepAgreement | SignUp | SignOff

# -- errands ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendWelcome:
    """Greet a new friend within 20 seconds, in the member's name."""

    lane: ClassVar[str] = "welcome"
    priority: ClassVar[int] = 0
    welcome_code: str
    customer: ExternalUserId
    userid: UserId

    @property
    def key(self) -> str:
        """One code, one welcome."""
        return f"welcome:{self.welcome_code}"


@dataclass(frozen=True, slots=True)
class SendKfWelcome:
    """Greet somebody who opened WeChat customer service, within 20 seconds."""

    lane: ClassVar[str] = "kf-chat"
    priority: ClassVar[int] = 0
    welcome_code: str
    open_kfid: OpenKfId
    customer: ExternalUserId

    @property
    def key(self) -> str:
        """One code, one welcome."""
        return f"kf-welcome:{self.welcome_code}"


@dataclass(frozen=True, slots=True)
class AnswerKf:
    """A fixed answer in WeChat customer service; ``words`` names the message template."""

    lane: ClassVar[str] = "kf-chat"
    priority: ClassVar[int] = 1
    open_kfid: OpenKfId
    customer: ExternalUserId
    words: str
    msgid: str

    @property
    def key(self) -> str:
        """One answer of a kind to one message."""
        return f"kf-answer:{self.words}:{self.msgid}"


@dataclass(frozen=True, slots=True)
class MarkTags:
    """Bring a friend's corp tags up to date with what we know now."""

    lane: ClassVar[str] = "customer"
    priority: ClassVar[int] = 4
    customer: ExternalUserId
    userid: UserId
    cause: str

    @property
    def key(self) -> str:
        """One marking a cause."""
        return f"tags:{self.userid}:{self.customer}:{self.cause}"


@dataclass(frozen=True, slots=True)
class SyncCustomer:
    """Read a customer again, because something about them changed."""

    lane: ClassVar[str] = "customer"
    priority: ClassVar[int] = 3
    customer: ExternalUserId
    cause: str

    @property
    def key(self) -> str:
        """One reading a cause."""
        return f"sync-customer:{self.customer}:{self.cause}"


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Read a group again; WeCom's answer lags its callback by about two seconds."""

    lane: ClassVar[str] = "group"
    priority: ClassVar[int] = 3
    delay_ms: ClassVar[int] = 3_000
    chat_id: ChatId
    cause: str

    @property
    def key(self) -> str:
        """One reading a cause."""
        return f"sync-group:{self.chat_id}:{self.cause}"


@dataclass(frozen=True, slots=True)
class SyncStaff:
    """Read departments, members and who serves customers again."""

    lane: ClassVar[str] = "sync"
    priority: ClassVar[int] = 6
    cause: str

    @property
    def key(self) -> str:
        """One reading a cause."""
        return f"sync-staff:{self.cause}"


@dataclass(frozen=True, slots=True)
class SyncTags:
    """Read the tag library again and create what is missing of ours."""

    lane: ClassVar[str] = "tags"
    priority: ClassVar[int] = 3
    cause: str

    @property
    def key(self) -> str:
        """One reading a cause."""
        return f"sync-tags:{self.cause}"


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Compare everything with WeCom and repair what callbacks lost."""

    lane: ClassVar[str] = "sync"
    priority: ClassVar[int] = 6
    cause: str

    @property
    def key(self) -> str:
        """One comparison a cause."""
        return f"reconcile:{self.cause}"


@dataclass(frozen=True, slots=True)
class CheckAgreement:
    """Ask whether a conversation may be read."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 2
    conversation: str
    chat_id: ChatId
    customer: ExternalUserId
    userid: UserId
    cause: str

    @property
    def key(self) -> str:
        """One question a conversation and cause."""
        return f"agreement:{self.conversation}:{self.customer}:{self.cause}"


@dataclass(frozen=True, slots=True)
class PullArchive:
    """Fetch the records that the message archive has and we do not."""

    lane: ClassVar[str] = "archive"
    priority: ClassVar[int] = 2
    cause: str

    @property
    def key(self) -> str:
        """One pull a cause."""
        return f"pull-archive:{self.cause}"


@dataclass(frozen=True, slots=True)
class PullKf:
    """Fetch what was said in a customer-service account."""

    lane: ClassVar[str] = "kf"
    priority: ClassVar[int] = 0
    open_kfid: OpenKfId
    token: str
    cause: str

    @property
    def key(self) -> str:
        """One pull a cause."""
        return f"pull-kf:{self.open_kfid}:{self.cause}"


@dataclass(frozen=True, slots=True)
class TellStaff:
    """A message of the app to an employee; ``words`` names the template."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 2
    userid: UserId
    words: str
    values: dict[str, Any]
    about: ExternalUserId | None
    cause: str

    @property
    def key(self) -> str:
        """One message of a kind to one person for a cause."""
        return f"tell:{self.words}:{self.userid}:{self.cause}"


@dataclass(frozen=True, slots=True)
class SendMorning:
    """An employee's list of a day (ISO), whose words are kept in the store."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 1
    userid: UserId
    day: str

    @property
    def key(self) -> str:
        """One list an employee and day."""
        return f"morning:{self.userid}:{self.day}"


@dataclass(frozen=True, slots=True)
class RemindMassSend:
    """WeCom's own reminder of a task to its member."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 3
    task_id: int
    cause: str

    @property
    def key(self) -> str:
        """One reminder a task and cause."""
        return f"mass-remind:{self.task_id}:{self.cause}"


@dataclass(frozen=True, slots=True)
class AnswerEmployee:
    """What an employee asked the app: help, today, or a customer's name."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 0
    userid: UserId
    question: str
    argument: str
    msgid: str

    @property
    def key(self) -> str:
        """One answer a message."""
        return f"answer:{self.userid}:{self.msgid}"


@dataclass(frozen=True, slots=True)
class SendCard:
    """The card of a case, to its manager, the next one (``turn``), or overdue to the head."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 1
    case_id: int
    userid: UserId
    overdue: bool = False
    turn: str = "first"

    @property
    def key(self) -> str:
        """One card a case, person and turn."""
        return f"card:{self.case_id}:{self.userid}:{'head' if self.overdue else self.turn}"


@dataclass(frozen=True, slots=True)
class UpdateCard:
    """Grey the buttons of a card that was pressed."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 1
    case_id: int
    userid: UserId
    response_code: str

    @property
    def key(self) -> str:
        """A response code works once."""
        return f"card-update:{self.response_code}"


@dataclass(frozen=True, slots=True)
class CreateMassSend:
    """Hand a send task to WeCom, where its member will confirm it."""

    lane: ClassVar[str] = "sender"
    priority: ClassVar[int] = 5
    task_id: int

    @property
    def key(self) -> str:
        """One call a task."""
        return f"mass-send:{self.task_id}"


@dataclass(frozen=True, slots=True)
class CancelMassSend:
    """Stop a task that nobody confirmed yet; what was not sent is planned anew."""

    lane: ClassVar[str] = ""
    priority: ClassVar[int] = 1
    task_id: int
    cause: str

    @property
    def key(self) -> str:
        """One cancellation a task."""
        return f"mass-cancel:{self.task_id}"


@dataclass(frozen=True, slots=True)
class KeepGroupWelcome:
    """Create or correct the group welcome material in WeCom."""

    lane: ClassVar[str] = "sync"
    priority: ClassVar[int] = 6
    cause: str

    @property
    def key(self) -> str:
        """One look a cause."""
        return f"group-welcome:{self.cause}"


@dataclass(frozen=True, slots=True)
class AskModel:
    """Let the bank's language model read a line that the rules have read."""

    lane: ClassVar[str] = "model"
    priority: ClassVar[int] = 8
    useful_ms: ClassVar[int] = 86_400_000
    msgid: str

    @property
    def key(self) -> str:
        """One question a message."""
        return f"ask-model:{self.msgid}"


Errand = (
    SendWelcome
    | SendKfWelcome
    | AnswerKf
    | MarkTags
    | SyncCustomer
    | SyncGroup
    | SyncStaff
    | SyncTags
    | Reconcile
    | CheckAgreement
    | PullArchive
    | PullKf
    | AnswerEmployee
    | TellStaff
    | SendMorning
    | SendCard
    | UpdateCard
    | CreateMassSend
    | RemindMassSend
    | CancelMassSend
    | KeepGroupWelcome
    | AskModel
)
Action = Change | Errand
_ERRANDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Errand.__args__}


def pack(errand: Errand) -> tuple[str, str]:
    """An errand as (kind, JSON text) for the outbox."""
    return type(errand).__name__, json.dumps(dataclasses.asdict(errand), ensure_ascii=False)


def unpack(kind: str, payload: str) -> Errand:
    """The errand that ``pack`` wrote."""
    return cast("Errand", _ERRANDS[kind](**json.loads(payload)))


def lane_of(errand: Errand) -> str:
    """Errands of one lane run one after the other; "" means no lane.

    Writes to one customer share a lane because WeCom refuses concurrent ones (45035).
    """
    match errand.lane:
        case "customer" | "welcome" | "kf-chat":  # there the greeting comes before the answer
            return f"{errand.lane}:{errand.customer}"  # type: ignore[union-attr]  # lane says so
        case "group":
            return f"group:{errand.chat_id}"  # type: ignore[union-attr]  # lane says so
        case lane:
            return lane
