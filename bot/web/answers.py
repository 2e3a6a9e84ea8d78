"""The answers of the JSON interface; values are English slugs, moments ISO 8601 with +08:00."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class Answer(BaseModel):
    """What every answer has in common: exactly the documented fields."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Answer):
    """What went wrong and what to do."""

    code: str = Field(description="Slug: unauthorized, closed, not_found, invalid, conflict, …")
    message: str
    hint: str


class ErrorAnswer(Answer):
    """Every error of the interface."""

    error: ErrorBody


class Paged(Answer, Generic[Item]):
    """A list; ``next_cursor`` goes into ``cursor`` for the next page, null at the end."""

    items: list[Item]
    next_cursor: str | None


class EvidenceAnswer(Answer):
    """The words that prove a fact.

    ``text`` is empty once the words were destroyed.
    """

    msgid: str
    start: int = Field(description="Unicode code point in the message")
    end: int = Field(description="Exclusive")
    text: str


class FactAnswer(Answer):
    """One thing a customer said about themself.

    Sensitive facts are kept only with the customer's separate consent; whoever shows them to
    people must limit that to the follow users and the branch head.
    """

    id: int
    type: str = Field(description="As in the fact schema, e.g. product.interest")
    value: dict[str, Any] = Field(description="By the fact schema")
    evidence: EvidenceAnswer
    confidence: float
    observed_at: str | None
    status: str = Field(description="current, superseded, pending, confirmed, rejected")
    rule: str
    version: str


class HoldingAnswer(Answer):
    """A product that the customer holds with us, from the core system."""

    account_ref: str
    product: str
    kind: str
    amount: int | None = Field(description="Yuan")
    opened_on: str | None
    matures_on: str | None
    rate: float | None
    status: str = Field(description="open, closed, renewed")
    manager: str


class FollowUser(Answer):
    """An employee who is friends with the customer."""

    userid: str
    remark: str
    state: str
    since: str | None


class GroupOfCustomer(Answer):
    """A group that the customer is in."""

    chat_id: str
    name: str
    joined_at: str | None


class ConsentAnswer(Answer):
    """What the customer agreed to, as it stands now."""

    service: bool = Field(description="Rests on being a contact or holding a product")
    marketing: bool
    profiling: bool
    profiling_sensitive: bool
    archive_analysis: bool = Field(description="Agreed to archiving in some conversation")
    refused: bool
    refused_at: str | None


class ActivityAnswer(Answer):
    """How much the customer says where we may read."""

    score: int = Field(description="Decaying score by config/rules/states.yaml, a whole number")
    messages_7: int
    days_7: int
    messages_30: int
    days_30: int
    replies_30: int
    questions_30: int
    sign_ups_30: int
    last_spoke_at: str | None


class CustomerAnswer(Answer):
    """A customer, what is known about them and by what right."""

    external_userid: str
    name: str
    layer: str = Field(description="potential, effective, middle, high, private, unknown")
    contact_class: str = Field(description="A, B, C, D")
    states: list[str] = Field(description="new, lurking, warming, active, core, …")
    segments: list[str]
    tags: list[str]
    facts: list[FactAnswer]
    holdings: list[HoldingAnswer]
    follow_users: list[FollowUser]
    groups: list[GroupOfCustomer]
    consent: ConsentAnswer
    activity: ActivityAnswer


class GroupHealth(Answer):
    """Seven days of a group; only members who agreed to archiving are counted as speaking."""

    joined: int
    left: int
    spoke: int
    messages: int


class MemberAnswer(Answer):
    """Who is in a group."""

    id: str = Field(description="external_userid, or userid of an employee")
    name: str
    joined_at: str | None


class GroupAnswer(Answer):
    """A customer group; ``members`` is null in lists."""

    chat_id: str
    name: str
    owner: str
    branch: str
    member_count: int
    customer_count: int
    created_at: str | None
    health: GroupHealth
    members: list[MemberAnswer] | None


class EventAnswer(Answer):
    """An event of a branch; ``taken`` people have a seat, ``waiting`` want one, ``came`` came."""

    id: int
    code: str
    name: str
    kind: str
    branch: str
    starts_at: str | None
    ends_at: str | None
    place: str
    seats: int
    taken: int
    waiting: int
    came: int
    host: str
    sign_up_until: str | None
    audience: str
    status: str = Field(description="open, cancelled")


class SignupAnswer(Answer):
    """One customer's sign-up; ``party`` counts everybody who comes with them."""

    id: int
    external_userid: str
    party: int
    status: str = Field(description="going, waiting, cancelled, came")
    source: str = Field(description="talk, kf, link, staff")
    chat_id: str
    at: str | None
    came_at: str | None
    spoke: bool


class TaskAnswer(Answer):
    """The call that carries a push."""

    id: int
    status: str
    wecom_msgid: str | None


class AccountAnswer(Answer):
    """One step of how a message came about; the steps come in the order of ``part``."""

    part: str = Field(description="written, approved, chosen, consent, decided, sent, answered")
    at: str | None = Field(description="Null where the release stands for it")
    who: str = Field(description="userid, release, gate, wecom, or empty")
    what: str = Field(description="Slug: campaign, vote, occasion, purpose, answer, status")
    detail: str


class PushAnswer(Answer):
    """One message for one customer or group: planned, judged, sent or not, and why."""

    id: int
    key: str
    campaign: str
    occasion: str
    cycle: str
    step: str
    external_userid: str | None
    chat_id: str | None
    purpose: str
    channel: str
    sender: str
    due_at: str | None
    status: str
    reason: str | None
    rules: list[str]
    text: str | None = Field(description="Null before a task carries it")
    task: TaskAnswer | None
    confirmed_at: str | None
    account: list[AccountAnswer] = Field(
        description="Who wrote and approved it, why this customer, which consent, which rules, "
        "what the channel answered"
    )


class StepAnswer(Answer):
    """A step in the history of a case."""

    at: str | None
    actor: str
    step: str
    note: str


class EscalationAnswer(Answer):
    """Something that a person must do; ``evidence`` is null where it is gone."""

    id: int
    kind: str
    topic: str
    external_userid: str
    chat_id: str
    assignee: str
    opened_at: str | None
    deadline: str | None
    settle_by: str | None = Field(description="Of complaints: the day by which they are settled")
    settle_days: int = Field(description="Days from the first message to it: 15, 30, 60, else 0")
    extension_asked_by: str | None = Field(description="Who waits for an approval of more time")
    concerned: list[str] = Field(description="Employees whom a complaint is about")
    status: str
    outcome: str | None
    note: str | None
    evidence: EvidenceAnswer | None
    history: list[StepAnswer]


class RightAnswer(Answer):
    """What a customer asks of us about their data; of somebody erased only a mark is left."""

    id: int
    external_userid: str
    kind: str = Field(description="copy, correct, delete, explain, withdraw")
    purpose: str = Field(description="withdraw: which consent")
    via: str = Field(description="counter, phone, chat, letter")
    branch: str
    asked_on: str
    due_on: str = Field(description="The last day to answer")
    words: str = Field(description="As the employee wrote it down")
    status: str = Field(description="waiting for a second person, open, done, refused, ended")
    owner: str
    opened_at: str | None
    opened_by: str
    approved_at: str | None
    approved_by: str | None
    raised_to: str | None = Field(description="Who was told that it is late")
    closed_at: str | None
    closed_by: str | None
    note: str
    proof: str = Field(description="SHA-256 of the file that was handed over, or of the note")
    history: list[StepAnswer]


class DutyAnswer(Answer):
    """Something that a version must be approved as, and by whom it was."""

    duty: str = Field(description="legal, product, branch")
    roles: list[str] = Field(description="Who may act in it")
    approved_by: str | None


class DecisionAnswer(Answer):
    """What one person decided about a version."""

    at: str | None
    actor: str = Field(description="userid, or api for a decision without a name")
    via: str = Field(description="console or api")
    decision: str = Field(description="approve, reject, withdraw, revoke")
    duty: str
    note: str
    expires_at: str | None


class ApprovalAnswer(Answer):
    """One version of a campaign that was submitted, and how far its approval is."""

    id: int
    campaign: str
    version: int
    status: str = Field(description="draft, in_review, approved, active, paused, retired")
    purpose: str
    author: str
    submitter: str
    submitted_at: str | None
    source: str = Field(description="The whole text, front matter included")
    duties: list[DutyAnswer]
    review_words: list[str] = Field(description="An approver must name each of them in words")
    valid: bool = Field(description="Approved by everybody needed, unchanged, not run out")
    why: str = Field(description="approved, waiting, changed, expired, no_policy, unreadable")
    expires_at: str | None
    dry_run: dict[str, Any] | None = Field(description="The newest: on, at, counts by answer")
    history: list[DecisionAnswer]


class AuditAnswer(Answer):
    """Who did what to whom, when and why; each hash covers the row and the hash before it."""

    id: int
    at: str | None
    actor: str
    act: str
    object: str
    why: dict[str, Any]
    hash: str


class ReportAnswer(Answer):
    """Figures of a span of days (both included)."""

    name: str
    first: str
    last: str
    rows: list[dict[str, Any]]
