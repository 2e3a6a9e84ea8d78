"""Callbacks are hints: what they name is read again."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import (
    Action,
    CheckAgreement,
    PullArchive,
    PullKf,
    SyncCustomer,
    SyncGroup,
    SyncStaff,
    SyncTags,
)
from bot.dispatch import on
from bot.events import (
    AddExternalContact,
    ChangeExternalContact,
    ChangeParty,
    CorpTagChanged,
    CreateUser,
    DeleteUser,
    DelExternalContact,
    DelFollowUser,
    EditExternalContact,
    GroupChatChanged,
    GroupChatCreated,
    KfMsgOrEvent,
    MsgAuditNotify,
    TransferFail,
    UpdateUser,
)
from bot.happenings import AgreementNeeded, GroupOutdated
from handlers.known import Known


@on(AddExternalContact)
@on(EditExternalContact)
@on(DelExternalContact)
@on(DelFollowUser)
@on(TransferFail)
def read_customer(event: ChangeExternalContact, known: Known) -> Iterator[SyncCustomer]:
    """A customer's friendships, remark or tags changed; the callback does not say how."""
    yield SyncCustomer(event.external_userid, known.cause)


@on(GroupChatCreated)
def read_new_group(event: GroupChatCreated, known: Known) -> Iterator[SyncGroup]:
    """A new group is read whole."""
    yield SyncGroup(event.chat_id, known.cause)


@on(
    GroupChatChanged,
    when=lambda event: event.update_detail not in {"add_member", "del_member"},
)
def read_changed_group(event: GroupChatChanged, known: Known) -> Iterator[SyncGroup]:
    """Owner, name and notice come without their new values."""
    yield SyncGroup(event.chat_id, known.cause)


@on(GroupOutdated)
def read_outdated_group(event: GroupOutdated, known: Known) -> Iterator[SyncGroup]:
    """A member change was missed: the versions do not meet."""
    yield SyncGroup(event.chat_id, known.cause)


@on(CorpTagChanged)
def read_tags(_event: CorpTagChanged, known: Known) -> Iterator[SyncTags]:
    """After any change of the tag library it is read again."""
    yield SyncTags(known.cause)


@on(CreateUser)
@on(UpdateUser)
@on(DeleteUser)
@on(ChangeParty)
def read_staff(_event: object, known: Known) -> Iterator[SyncStaff]:
    """The address list changed."""
    yield SyncStaff(known.cause)


@on(MsgAuditNotify)
def pull_archive(_event: MsgAuditNotify, known: Known) -> Iterator[PullArchive]:
    """There is something new in the archive."""
    yield PullArchive(known.cause)


@on(KfMsgOrEvent)
def pull_kf(event: KfMsgOrEvent, known: Known) -> Iterator[Action]:
    """There is something new in customer service; its token lives ten minutes."""
    yield PullKf(event.open_kfid, event.token, known.cause)


@on(AgreementNeeded)
def ask_for_agreement(event: AgreementNeeded, known: Known) -> Iterator[CheckAgreement]:
    """Nothing is read before its conversation is known to be agreed to."""
    hour = known.now.strftime("%Y%m%d%H")
    yield CheckAgreement(event.conversation, event.chat_id, event.customer, event.userid, hour)
