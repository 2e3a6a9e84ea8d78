"""What an event changes in the store by itself, before any handler is asked.

Each function runs inside the transaction of its event and returns what the bot noticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bot.events import (
    AddExternalContact,
    DeleteUser,
    DelExternalContact,
    DelFollowUser,
    Event,
    GroupChatChanged,
    GroupChatDismissed,
    UpdateUser,
)
from bot.happenings import FriendMade, GroupOutdated
from bot.kf import KfEnterSession, KfItem, KfMsgSendFail, KfSessionStatusChange
from bot.model import is_external
from bot.store import journal, people, referrals, talk
from bot.store.db import Db

_KF_HUMAN, _KF_ENDED, _KF_NEW = 3, 4, 0


def record_event(db: Db, event: Event, now: int) -> Iterator[object]:
    """Keep what a callback says outright."""
    match event:
        case AddExternalContact():
            yield from _friend_added(db, event, now)
        case DelExternalContact():
            by = "transfer" if event.source == "DELETE_BY_TRANSFER" else "member"
            people.end_follow(db, event.userid, event.external_userid, by, now)
            _note_friend(db, "friend_lost", event.external_userid, event.userid, now, by=by)
        case DelFollowUser():
            people.end_follow(db, event.userid, event.external_userid, "customer", now)
            _note_friend(db, "friend_lost", event.external_userid, event.userid, now, by="customer")
        case GroupChatChanged():
            yield from _group_changed(db, event, now)
        case GroupChatDismissed():
            people.dismiss_group(db, event.chat_id, now)
            journal.note(db, "group_dismissed", now, chat_id=event.chat_id)
        case DeleteUser():
            people.retire_member(db, event.userid)
        case UpdateUser() if event.new_userid:
            people.rename_member(db, event.userid, event.new_userid)
        case _:
            pass


def _friend_added(db: Db, event: AddExternalContact, now: int) -> Iterator[FriendMade]:
    customer, userid = event.external_userid, event.userid
    known = {row["userid"] for row in people.follows_of(db, customer)}
    people.know_person(db, customer, now)
    if event.half or userid in known or people.is_erased(db, customer):
        # Half a friend is none yet: WeCom answers 84061 until the member adds them back.
        return
    at = int(event.created_at.timestamp())
    people.keep_follow(db, customer, {"userid": userid, "state": event.state, "createtime": at})
    people.settle_customer(db, customer)
    _note_friend(db, "friend_added", customer, userid, now, state=event.state)
    note_brought(db, customer, now)
    yield FriendMade(customer, userid, event.created_at)


def note_brought(db: Db, customer: str, now: int) -> None:
    """Who came by the contact way of another customer was brought by them."""
    if referrals.came_by(db, customer, now):
        journal.note(db, "referral_kept", now, customer=customer)


def _note_friend(db: Db, kind: str, customer: str, userid: str, now: int, **why: Any) -> None:
    journal.note(db, kind, now, customer=customer, userid=userid, **why)


def _group_changed(db: Db, event: GroupChatChanged, now: int) -> Iterator[GroupOutdated]:
    if event.update_detail not in {"add_member", "del_member"}:
        return
    group = people.group(db, event.chat_id)
    if group is None or group["member_version"] != event.last_version:
        # Lost, reordered or repeated callbacks show here: the group is read whole.
        if group is None or group["member_version"] != event.version:
            yield GroupOutdated(event.chat_id, event.created_at)
        return
    if event.update_detail == "add_member":
        people.members_joined(db, event.chat_id, event.members, event.join_scene or 0, now)
    else:
        people.members_left(db, event.chat_id, event.members, now)
    people.set_member_version(db, event.chat_id, event.version)
    note_members(db, event.update_detail, event.chat_id, event.members, now)
    if event.update_detail == "add_member":
        # The callback has no names; the whole reading brings them.
        yield GroupOutdated(event.chat_id, event.created_at)


def note_members(db: Db, detail: str, chat_id: str, members: Sequence[str], now: int) -> None:
    """Put joins and leaves of customers into the journal."""
    kind = "joined_group" if detail == "add_member" else "left_group"
    for member in members:
        if is_external(member):
            journal.note(db, kind, now, customer=member, chat_id=chat_id)


def record_kf(db: Db, item: KfItem, now: int) -> None:
    """Keep what a customer-service event says outright."""
    match item:
        case KfEnterSession():
            people.know_person(db, item.external_userid, now)
            journal.note(db, "kf_entered", now, customer=item.external_userid, scene=item.scene)
        case KfSessionStatusChange():
            state = {1: _KF_HUMAN, 2: _KF_HUMAN, 3: _KF_ENDED, 4: _KF_HUMAN}.get(
                item.change_type, _KF_NEW
            )
            talk.kf_moved(db, item.open_kfid, item.external_userid, state, item.new_servicer_userid)
        case KfMsgSendFail():
            journal.note(
                db,
                "kf_send_failed",
                now,
                customer=item.external_userid,
                fail_type=item.fail_type,
            )
        case _:
            pass
