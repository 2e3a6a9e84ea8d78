"""Everything the spine remembers.

Instants are epoch milliseconds (``*_at``), days are ISO text (``*_on``), flags are 0 or 1;
columns that end in ``_sealed`` are encrypted, ``_hash`` are keyed hashes for search.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.store.migrations.triggers import create_trigger

revision = "r0001"
down_revision = None

metadata = MetaData()


def _id() -> Column[int]:
    # SQLite counts rows by itself only for the exact type INTEGER.
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("id", kind, primary_key=True, autoincrement=True)


def _text(name: str, default: str | None = "") -> Column[str]:
    if default is None:
        return Column(name, Text)
    return Column(name, Text, nullable=False, server_default=default)


def _flag(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _at(name: str, *, needed: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=not needed)


# -- what came in, and what is to be done ------------------------------------------------

Table(
    "inbox",
    metadata,
    _id(),
    Column("key", LargeBinary, nullable=False, unique=True),
    _text("source"),
    Column("body_sealed", LargeBinary),
    _at("received_at", needed=True),
    # 0 waiting, 1 done, 2 set aside after too many attempts
    _flag("state"),
    _flag("attempts"),
    _at("not_before"),
    _text("reason", None),
    Index(
        "inbox_waiting", "id", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")
    ),
)
Table(
    "outbox",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _text("kind"),
    _text("payload", "{}"),
    # errands of one lane run one after the other, lower priority numbers first
    _text("lane"),
    _flag("priority", 5),
    # ready, calling, done, dropped, failed, uncertain
    _text("state", "ready"),
    _flag("attempts"),
    _at("not_before", needed=True),
    _at("useful_until"),
    _at("created_at", needed=True),
    _at("done_at"),
    _text("reason", None),
    Index(
        "outbox_waiting",
        "priority",
        "not_before",
        sqlite_where=text("state IN ('ready', 'calling', 'uncertain')"),
        postgresql_where=text("state IN ('ready', 'calling', 'uncertain')"),
    ),
)
Table("cursor", metadata, Column("name", Text, primary_key=True), _text("value"), _at("moved_at"))
Table(
    "set_aside",
    metadata,
    _id(),
    Column("seq", BigInteger, nullable=False),
    _text("msgid"),
    _text("reason"),
    _flag("readable_later"),
    Column("record_sealed", LargeBinary),
    _at("at", needed=True),
    UniqueConstraint("seq", "msgid"),
)

# -- people and groups -------------------------------------------------------------------

Table(
    "department",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    _text("name"),
    Column("parent_id", BigInteger),
    _text("leaders", "[]"),
)
Table(
    "staff",
    metadata,
    Column("userid", Text, primary_key=True),
    _text("name"),
    _text("branch"),
    _text("parent_branch"),
    _text("role", "owner"),
    # wecom: seen in the address list; import: from the bank's file, which wins
    _text("role_from", "wecom"),
    _text("certificates"),
    _text("deputy"),
    Column("department", BigInteger),
    _flag("follows_customers"),
    _flag("active", 1),
    _at("synced_at"),
)
Table(
    "customer",
    metadata,
    Column("external_userid", Text, primary_key=True),
    _text("name"),
    _text("core_id", None),
    _text("gender"),
    Column("phone_sealed", LargeBinary),
    _text("phone_hash", None),
    Column("address_sealed", LargeBinary),
    _text("birthday_calendar", None),
    Column("birthday_month", Integer),
    Column("birthday_day", Integer),
    Column("birthday_year", Integer),
    _flag("birthday_leap"),
    _text("birthday_from", None),
    _text("next_birthday_on", None),
    _text("birthday_cycle", None),
    _text("occupation"),
    Column("assets", BigInteger),
    Column("assets_month_avg", BigInteger),
    _text("layer", "unknown"),
    _text("contact_class", "D"),
    _text("risk_level"),
    _text("risk_valid_to", None),
    _text("manager"),
    _text("branch"),
    _flag("key_person"),
    _flag("prospect"),
    _text("postloan_check_on", None),
    _flag("friend"),
    _flag("erased"),
    _flag("restricted"),
    # derived from the consent rows, so that planning stays one statement
    _flag("marketing_ok"),
    _flag("sensitive_ok"),
    _flag("profiling_ok"),
    _flag("refused"),
    # the next day on which what is derived may change by itself; '' is due at once
    Column("recheck_on", Text, server_default=text("''")),
    _at("created_at", needed=True),
    _at("spoke_at"),
    _at("synced_at"),
    Index("customer_birthday", "next_birthday_on"),
    Index("customer_phone", "phone_hash"),
    Index("customer_core", "core_id"),
    Index("customer_recheck", "recheck_on"),
    Index("customer_branch", "branch"),
    Index("customer_assets", "assets"),
    # all that planning reads of a customer whose holding matures
    Index("customer_planned", "external_userid", "branch", "erased"),
)
Table(
    "follow",
    metadata,
    _text("userid"),
    _text("external_userid"),
    _text("remark"),
    _text("state"),
    _flag("add_way"),
    _at("since_at", needed=True),
    _at("ended_at"),
    _text("ended_by", None),
    _text("tags", "[]"),
    PrimaryKeyConstraint("userid", "external_userid"),
    # all that the choice of a sender reads
    Index("follow_customer", "external_userid", "since_at", "userid", "ended_at"),
)
Table(
    "group_chat",
    metadata,
    Column("chat_id", Text, primary_key=True),
    _text("name"),
    _text("owner"),
    _text("branch"),
    _text("notice"),
    _text("member_version"),
    _text("segment", None),
    _at("created_at"),
    _at("dismissed_at"),
    _at("synced_at"),
)
Table(
    "group_member",
    metadata,
    _text("chat_id"),
    _text("member"),
    _text("nickname"),
    _flag("join_scene"),
    _text("invitor"),
    _at("joined_at"),
    _at("left_at"),
    PrimaryKeyConstraint("chat_id", "member"),
    Index("group_member_person", "member"),
)
Table(
    "corp_tag",
    metadata,
    Column("tag_id", Text, primary_key=True),
    _text("group_id"),
    _text("group_name"),
    _text("name"),
    # ours: the name in config/rules that this tag carries
    _text("slug", None),
    Index("corp_tag_slug", "slug"),
)
Table(
    "welcome_template",
    metadata,
    Column("name", Text, primary_key=True),
    _text("template_id"),
    _text("text_hash"),
    _at("kept_at"),
)

# -- talk --------------------------------------------------------------------------------

Table(
    "message",
    metadata,
    Column("msgid", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    # the group, or "userid|external_userid", or "open_kfid|external_userid"
    _text("conversation"),
    _text("chat_id"),
    _text("sender"),
    _text("peer"),
    _text("kind"),
    _at("sent_at", needed=True),
    Column("text_sealed", LargeBinary),
    Column("raw_sealed", LargeBinary),
    _text("quoted", "[]"),
    # sealed (agreement unknown), read, unread (nothing to read or staff), refused, recalled
    _text("state"),
    # counted in ``activity``; only of lines that were read
    _flag("answers"),
    _flag("asks"),
    Index("message_conversation", "conversation", "sent_at"),
    Index("message_sender", "sender", "sent_at"),
    Index(
        "message_sealed",
        "conversation",
        "sender",
        sqlite_where=text("state = 'sealed'"),
        postgresql_where=text("state = 'sealed'"),
    ),
)
Table(
    "agreement",
    metadata,
    _text("conversation"),
    _text("external_userid"),
    _text("status"),
    _at("changed_at", needed=True),
    PrimaryKeyConstraint("conversation", "external_userid"),
)
Table(
    "activity",
    metadata,
    _text("external_userid"),
    _text("day_on"),
    _flag("messages"),
    # lines within ten minutes after staff spoke, lines that ask, sign-ups, events come to
    _flag("replies"),
    _flag("questions"),
    _flag("sign_ups"),
    _flag("attended"),
    PrimaryKeyConstraint("external_userid", "day_on"),
)
Table(
    "kf_session",
    metadata,
    _text("open_kfid"),
    _text("external_userid"),
    _flag("service_state"),
    _text("servicer"),
    _at("spoke_at"),
    _flag("sent_since"),
    PrimaryKeyConstraint("open_kfid", "external_userid"),
)

# -- what is known -----------------------------------------------------------------------

Table(
    "fact",
    metadata,
    _id(),
    _text("external_userid"),
    _text("type"),
    _text("subject"),
    _text("value", "{}"),
    _text("class", "ordinary"),
    _text("msgid"),
    Column("start", Integer, nullable=False, server_default=text("0")),
    Column("end", Integer, nullable=False, server_default=text("0")),
    Column("words_sealed", LargeBinary),
    Column("confidence", Float, nullable=False),
    _text("rule"),
    _text("version"),
    # current, superseded, pending, confirmed, rejected, recalled
    _text("status", "current"),
    _text("date_from", None),
    _text("date_to", None),
    Column("amount", BigInteger),
    _text("expires_on", None),
    _at("observed_at", needed=True),
    _text("decided_by", None),
    UniqueConstraint("msgid", "external_userid", "type", "start", "end", "subject"),
    Index("fact_customer", "external_userid", "type", "status"),
    Index("fact_due", "type", "date_to"),
)
Table(
    "consent",
    metadata,
    _id(),
    _text("external_userid"),
    _text("purpose"),
    _flag("granted"),
    _text("channel"),
    _text("notice_version"),
    _text("proof"),
    _text("employee"),
    _at("at", needed=True),
    UniqueConstraint("external_userid", "purpose", "granted", "at", "proof"),
    Index("consent_customer", "external_userid", "purpose", "at"),
)
Table(
    "segment_member",
    metadata,
    _text("external_userid"),
    _text("segment"),
    _text("version"),
    _at("since_at", needed=True),
    PrimaryKeyConstraint("external_userid", "segment"),
    Index("segment_member_segment", "segment"),
)
Table(
    "customer_state",
    metadata,
    _text("external_userid"),
    _text("state"),
    _at("since_at", needed=True),
    PrimaryKeyConstraint("external_userid", "state"),
    Index("customer_state_state", "state"),
)
Table(
    "holding",
    metadata,
    Column("account_ref", Text, primary_key=True),
    _text("external_userid", None),
    _text("core_id"),
    _text("product"),
    _text("kind"),
    Column("amount", BigInteger),
    _text("opened_on", None),
    _text("matures_on", None),
    Column("rate", Float),
    _text("status", "open"),
    _text("manager"),
    _text("as_of", None),
    Index(
        "holding_maturity",
        "matures_on",
        # all that planning reads: it never opens the rows themselves
        "external_userid",
        "manager",
        "kind",
        "status",
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
    Index("holding_customer", "external_userid"),
    Index("holding_core", "core_id"),
)
Table(
    "unmatched",
    metadata,
    _id(),
    _text("kind"),
    _text("row_key"),
    _text("core_id", None),
    _text("phone_hash", None),
    Column("row_sealed", LargeBinary, nullable=False),
    _at("imported_at", needed=True),
    UniqueConstraint("kind", "row_key"),
    Index("unmatched_phone", "phone_hash"),
    Index("unmatched_core", "core_id"),
)

# -- what is sent ------------------------------------------------------------------------

Table(
    "push",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _text("campaign"),
    _text("version"),
    _text("occasion"),
    _text("cycle"),
    _text("step"),
    _text("external_userid", None),
    _text("chat_id", None),
    _text("purpose"),
    _text("channel"),
    _text("sender"),
    _text("branch"),
    _text("planned_on"),
    _at("due_at", needed=True),
    _at("useful_until", needed=True),
    # planned, held, ready, tasked, confirmed, dropped, expired, failed
    _text("status", "planned"),
    _text("reason", None),
    _text("rules", "[]"),
    _flag("attempt", 1),
    Column("task_id", BigInteger),
    _text("subject", "{}"),
    _at("held_until"),
    _at("confirmed_at"),
    _at("changed_at"),
    Index(
        "push_waiting",
        "due_at",
        sqlite_where=text("status IN ('planned', 'held', 'ready')"),
        postgresql_where=text("status IN ('planned', 'held', 'ready')"),
    ),
    Index("push_customer", "external_userid", "status"),
    Index("push_task", "task_id"),
    Index("push_planned", "planned_on"),
)
Table(
    "send_task",
    metadata,
    _id(),
    _text("sender"),
    _text("channel"),
    _text("purpose"),
    _text("campaign"),
    Column("text_sealed", LargeBinary, nullable=False),
    _text("text_hash"),
    _flag("attempt", 1),
    # waiting, calling, accepted, uncertain, cancelling, cancelled, done, absent, failed
    _text("status", "waiting"),
    _text("wecom_msgid", None),
    _text("reason", None),
    _at("created_at", needed=True),
    _at("called_at"),
    _at("accepted_at"),
    _at("useful_until"),
    _at("polled_at"),
    _flag("absent_polls"),
    Index("send_task_status", "status"),
    Index("send_task_msgid", "wecom_msgid"),
)
Table(
    "decision",
    metadata,
    _id(),
    _at("at", needed=True),
    Column("push_id", BigInteger),
    _text("errand", None),
    _text("external_userid", None),
    _text("purpose"),
    _text("answer"),
    _text("rules", "[]"),
    _at("hold_until"),
    _text("inputs", "{}"),
    Index("decision_push", "push_id"),
)
Table(
    "kill_switch",
    metadata,
    # bank | branch:<name> | campaign:<name>
    Column("scope", Text, primary_key=True),
    _flag("engaged"),
    _text("by"),
    _text("reason"),
    _at("at"),
)

# -- people in the loop ------------------------------------------------------------------

Table(
    "escalation",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _text("kind"),
    _text("topic"),
    _text("external_userid"),
    _text("chat_id"),
    _text("branch"),
    _text("assignee"),
    Column("fact_id", BigInteger),
    _text("status", "open"),
    _text("outcome", None),
    _text("note", None),
    _at("opened_at", needed=True),
    _at("deadline_at"),
    _at("raised_at"),
    _text("raised_to", None),
    _at("closed_at"),
    _text("closed_by", None),
    Index("escalation_open", "status", "deadline_at"),
    Index("escalation_customer", "external_userid", "kind", "opened_at"),
)
Table(
    "escalation_step",
    metadata,
    _id(),
    Column("escalation_id", BigInteger, nullable=False),
    _at("at", needed=True),
    _text("actor"),
    _text("step"),
    _text("note"),
    Index("escalation_step_case", "escalation_id"),
)
Table(
    "journal",
    metadata,
    _id(),
    _at("at", needed=True),
    _text("kind"),
    _text("external_userid", None),
    _text("chat_id", None),
    _text("userid", None),
    Column("ref", BigInteger),
    _text("why", "{}"),
    Index("journal_customer", "external_userid", "id"),
)
Table(
    "audit",
    metadata,
    _id(),
    _at("at", needed=True),
    _text("actor"),
    _text("act"),
    _text("object"),
    _text("why", "{}"),
    _text("previous"),
    _text("hash"),
)

# -- time --------------------------------------------------------------------------------

Table(
    "ring",
    metadata,
    _text("job"),
    _at("due_at", needed=True),
    # due, done, missed
    _text("state", "due"),
    _at("done_at"),
    _text("reason", None),
    _text("result", None),
    PrimaryKeyConstraint("job", "due_at"),
    Index("ring_state", "state"),
)
Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    _text("holder"),
    _flag("fence"),
    _at("until_at", needed=True),
)
Table(
    "import_run",
    metadata,
    _id(),
    _text("kind"),
    _text("file_hash"),
    _text("actor"),
    _at("at", needed=True),
    _text("summary", "{}"),
)


# -- what is derived ---------------------------------------------------------------------

# Segments, states and classes follow from these tables. Whoever writes there, an import, a
# callback or a person, makes the customer due: no writer has to remember it. Holdings alone
# are told by their import, a batch at a time: three million triggers doubled its time.
_DERIVED_FROM = {
    "activity": ("external_userid", "messages replies questions sign_ups attended"),
    "fact": ("external_userid", "status value class date_to expires_on"),
    "follow": ("external_userid", "since_at ended_at"),
    "group_member": ("member", "joined_at left_at"),
    "escalation": ("external_userid", "status"),
}
_OF_CUSTOMER = (
    "core_id gender birthday_month birthday_day birthday_year occupation assets key_person"
    " prospect spoke_at erased"
)


def _touch(whom: str) -> str:
    return (
        f"UPDATE customer SET recheck_on = '' WHERE external_userid {whom}"
        " AND recheck_on IS DISTINCT FROM ''"
    )


def _changed(table: str, columns: str) -> str:
    """A row that is written again as it was is no change: syncs do that every hour."""
    names = columns.split()
    differ = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in names)
    return f"UPDATE OF {', '.join(names)} ON {table} WHEN {differ}"


def _touches() -> Iterator[tuple[str, str, str]]:
    """Name, occasion and customers of each trigger."""
    in_group = "IN (SELECT member FROM group_member WHERE chat_id = NEW.chat_id)"
    yield "touch_customer", _changed("customer", _OF_CUSTOMER), "= NEW.external_userid"
    yield "touch_group_chat", _changed("group_chat", "dismissed_at"), in_group
    yield "touch_group_chat_new", "INSERT ON group_chat", in_group
    for table, (who, columns) in _DERIVED_FROM.items():
        yield f"touch_{table}_new", f"INSERT ON {table}", f"= NEW.{who}"
        yield f"touch_{table}", _changed(table, columns), f"IN (OLD.{who}, NEW.{who})"
        yield f"touch_{table}_gone", f"DELETE ON {table}", f"= OLD.{who}"


def upgrade() -> None:
    """Create every table."""
    metadata.create_all(op.get_bind())
    for name, when, whom in _touches():
        create_trigger(name, when, _touch(whom))


def downgrade() -> None:
    """Drop every table."""
    metadata.drop_all(op.get_bind())
