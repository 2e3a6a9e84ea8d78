"""Departments, staff, customers, friendships, groups and the tag library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.model import ChatId, ExternalUserId, Role, UserId, is_external
from bot.store.db import Db, Row
from bot.vault import Vault

# -- departments and staff

_KEEP_DEPARTMENT = """
INSERT INTO department (id, name, parent_id, leaders) VALUES (:id, :name, :parent, :leaders)
ON CONFLICT (id) DO UPDATE SET name = :name, parent_id = :parent, leaders = :leaders
"""
# A role and branch that came from the bank's own file outlive what WeCom says.
_KEEP_STAFF = """
INSERT INTO staff (userid, name, branch, role, department, active, synced_at)
VALUES (:userid, :name, :branch, :role, :department, :active, :now)
ON CONFLICT (userid) DO UPDATE SET
  name = CASE WHEN :name = '' THEN staff.name ELSE :name END,
  branch = CASE WHEN staff.role_from = 'import' AND staff.branch <> ''
    THEN staff.branch ELSE :branch END,
  role = CASE WHEN staff.role_from = 'import' THEN staff.role ELSE :role END,
  department = :department, active = :active, synced_at = :now
"""
_FOLLOWERS = """
UPDATE staff SET follows_customers =
  CASE WHEN userid IN (SELECT value FROM json_each(:ids)) THEN 1 ELSE 0 END
"""


# Closed cases keep the name of their time.
_RENAME_IN_CASES = """
UPDATE escalation SET
  assignee = CASE WHEN assignee = :old THEN :new ELSE assignee END,
  raised_to = CASE WHEN raised_to = :old THEN :new ELSE raised_to END,
  extend_by = CASE WHEN extend_by = :old THEN :new ELSE extend_by END,
  concerned = trim(replace(',' || concerned || ',', ',' || :old || ',', ',' || :new || ','), ',')
WHERE status = 'open' AND (:old IN (assignee, raised_to, extend_by)
  OR ',' || concerned || ',' LIKE '%,' || :old || ',%')
"""
_GIVE_WAY = """
DELETE FROM follow WHERE userid = :new
  AND external_userid IN (SELECT external_userid FROM follow WHERE userid = :old)
"""


def keep_departments(db: Db, departments: Iterable[Mapping[str, Any]]) -> None:
    """Keep the departments that ``department/list`` gives."""
    for each in departments:
        db.run(
            _KEEP_DEPARTMENT,
            id=each["id"],
            name=each.get("name", ""),
            parent=each.get("parentid"),
            leaders=json.dumps(each.get("department_leader", [])),
        )


def keep_member(db: Db, member: Mapping[str, Any], now: int) -> None:
    """Keep one member as ``user/get`` or ``user/list`` gives them.

    The branch is the name of the main department; a department's leader is a branch head
    until the bank's staff file says otherwise.
    """
    department = member.get("main_department") or next(iter(member.get("department", [])), None)
    place = db.one("SELECT name, leaders FROM department WHERE id = :id", id=department)
    leads = place is not None and member["userid"] in json.loads(place["leaders"])
    db.run(
        _KEEP_STAFF,
        userid=member["userid"],
        name=member.get("name", ""),
        branch=place["name"] if place else "",
        role=Role.HEAD if leads else Role.OWNER,
        department=department,
        active=int(member.get("status", 1) == 1),
        now=now,
    )


def keep_followers(db: Db, userids: Iterable[str]) -> None:
    """Remember which members serve customers (``get_follow_user_list``)."""
    db.run(_FOLLOWERS, ids=json.dumps(list(userids)))


def retire_member(db: Db, userid: UserId) -> None:
    """A member left; their friendships stay on record until WeCom reassigns them."""
    db.run("UPDATE staff SET active = 0, follows_customers = 0 WHERE userid = :id", id=userid)


def rename_member(db: Db, old: UserId, new: UserId) -> None:
    """A member got another userid."""
    db.run("DELETE FROM staff WHERE userid = :new", new=new)
    db.run("UPDATE staff SET userid = :new WHERE userid = :old", old=old, new=new)
    db.run(_GIVE_WAY, old=old, new=new)
    db.run("UPDATE follow SET userid = :new WHERE userid = :old", old=old, new=new)
    db.run("UPDATE customer SET first_friend = :new WHERE first_friend = :old", old=old, new=new)
    db.run("UPDATE group_chat SET owner = :new WHERE owner = :old", old=old, new=new)
    db.run(_RENAME_IN_CASES, old=old, new=new)


def staff(db: Db, userid: str) -> Row | None:
    """One employee."""
    return db.one("SELECT * FROM staff WHERE userid = :id", id=userid)


# -- customers and friendships

_KEEP_CUSTOMER = """
INSERT INTO customer (external_userid, name, gender, friend, created_at, synced_at)
VALUES (:id, :name, :gender, :friend, :now, :now)
ON CONFLICT (external_userid) DO UPDATE SET
  name = CASE WHEN customer.core_id IS NOT NULL OR :name = '' THEN customer.name ELSE :name END,
  gender = CASE WHEN customer.gender = '' THEN :gender ELSE customer.gender END,
  friend = :friend, synced_at = :now
"""
_KEEP_FOLLOW = """
INSERT INTO follow (userid, external_userid, remark, state, add_way, since_at, tags)
VALUES (:userid, :id, :remark, :state, :add_way, :since, :tags)
ON CONFLICT (userid, external_userid) DO UPDATE SET
  remark = :remark, state = :state, add_way = :add_way, since_at = :since, tags = :tags,
  ended_at = NULL, ended_by = NULL
"""
_END_FOLLOW = """
UPDATE follow SET ended_at = :now, ended_by = :by, tags = '[]'
WHERE userid = :userid AND external_userid = :id AND ended_at IS NULL
"""
# The branch of a customer is the bank's word, else that of the member who knew them first.
_SETTLE_CUSTOMER = """
UPDATE customer SET
  first_friend = coalesce((SELECT f.userid FROM follow f
    WHERE f.external_userid = customer.external_userid AND f.ended_at IS NULL
    ORDER BY f.since_at, f.userid LIMIT 1), ''),
  friend = (SELECT min(1, count(*)) FROM follow f
    WHERE f.external_userid = customer.external_userid AND f.ended_at IS NULL),
  branch = CASE WHEN core_id IS NOT NULL AND branch <> '' THEN branch ELSE coalesce(
    (SELECT s.branch FROM follow f JOIN staff s USING (userid)
     WHERE f.external_userid = customer.external_userid AND f.ended_at IS NULL
     ORDER BY f.since_at, f.userid LIMIT 1),
    (SELECT s.branch FROM group_member m JOIN group_chat g USING (chat_id)
     JOIN staff s ON s.userid = g.owner
     WHERE m.member = customer.external_userid AND m.left_at IS NULL LIMIT 1),
    branch) END
WHERE external_userid = :id
"""
_GENDERS = {1: "male", 2: "female", "1": "male", "2": "female"}


def keep_customer(
    db: Db,
    vault: Vault,
    contact: Mapping[str, Any],
    follows: Iterable[Mapping[str, Any]],
    now: int,
    *,
    complete: bool,
) -> ExternalUserId:
    """Keep a customer as ``externalcontact/get`` gives them, with their friendships.

    ``complete`` says that ``follows`` are all there are: others are ended.
    """
    customer = ExternalUserId(contact["external_userid"])
    if is_erased(db, customer):
        return customer
    seen: list[str] = []
    db.run(
        _KEEP_CUSTOMER,
        id=customer,
        name=contact.get("name", ""),
        gender=_GENDERS.get(contact.get("gender", 0), ""),
        friend=1,
        now=now,
    )
    for each in follows:
        seen.append(each["userid"])
        keep_follow(db, customer, each)
        _keep_phone(db, vault, customer, each.get("remark_mobiles") or [])
    if complete:
        for row in follows_of(db, customer):
            if row["userid"] not in seen:
                end_follow(db, UserId(row["userid"]), customer, "unseen", now)
    settle_customer(db, customer)
    return customer


def keep_follow(db: Db, customer: ExternalUserId, follow: Mapping[str, Any]) -> None:
    """Keep one friendship; tags come as objects or, in batches, as bare ids."""
    if is_erased(db, customer):
        return
    tags = [tag["tag_id"] for tag in follow.get("tags", []) if tag.get("tag_id")]
    db.run(
        _KEEP_FOLLOW,
        userid=follow["userid"],
        id=customer,
        remark=follow.get("remark", ""),
        state=follow.get("state", ""),
        add_way=follow.get("add_way", 0),
        since=int(follow.get("createtime", 0)) * 1000,
        tags=json.dumps(sorted(tags or follow.get("tag_id", []))),
    )


def _keep_phone(db: Db, vault: Vault, customer: ExternalUserId, phones: list[str]) -> None:
    if phones:
        db.run(
            "UPDATE customer SET phone_sealed = :sealed, phone_hash = :hash"
            " WHERE external_userid = :id AND phone_hash IS NULL",
            sealed=vault.seal_text(phones[0]),
            hash=vault.phone_hash(phones[0]),
            id=customer,
        )


def know_person(db: Db, customer: str, now: int, name: str = "") -> None:
    """Make sure that somebody who was only heard or seen in a group has a row."""
    db.run(
        "INSERT INTO customer (external_userid, name, created_at)"
        " VALUES (:id, :name, :now) ON CONFLICT (external_userid) DO NOTHING",
        id=customer,
        name=name,
        now=now,
    )


def is_erased(db: Db, customer: str) -> bool:
    """Whether a person asked to be deleted: nothing about them is kept again."""
    return bool(db.value("SELECT erased FROM customer WHERE external_userid = :id", id=customer))


def forget_birthday(db: Db, customer: str) -> None:
    """Empty the birthday and the day of its greeting."""
    db.run(
        "UPDATE customer SET birthday_calendar = NULL, birthday_month = NULL,"
        " birthday_day = NULL, birthday_year = NULL, birthday_leap = 0, birthday_from = NULL,"
        " next_birthday_on = NULL, birthday_cycle = NULL WHERE external_userid = :id",
        id=customer,
    )


def settle_customer(db: Db, customer: str) -> None:
    """Derive friendship and branch again."""
    db.run(_SETTLE_CUSTOMER, id=customer)


def end_follow(db: Db, userid: UserId, customer: ExternalUserId, by: str, now: int) -> None:
    """A friendship ended: ``by`` is member, customer, transfer or unseen."""
    db.run(_END_FOLLOW, userid=userid, id=customer, by=by, now=now)
    settle_customer(db, customer)


def customer(db: Db, external_userid: str) -> Row | None:
    """One customer."""
    return db.one("SELECT * FROM customer WHERE external_userid = :id", id=external_userid)


def follows_of(db: Db, external_userid: str) -> list[Row]:
    """A customer's present friendships, oldest first."""
    return db.rows(
        "SELECT * FROM follow WHERE external_userid = :id AND ended_at IS NULL"
        " ORDER BY since_at, userid",
        id=external_userid,
    )


def was_welcomed(db: Db, userid: str, external_userid: str) -> bool:
    """Whether a friendship was greeted since it began (a minute's slack for clocks)."""
    return bool(
        db.value(
            "SELECT 1 FROM journal j JOIN follow f ON f.userid = j.userid"
            " AND f.external_userid = j.external_userid WHERE j.external_userid = :id"
            " AND j.userid = :userid AND j.kind = 'welcomed' AND j.at >= f.since_at - 60000",
            id=external_userid,
            userid=userid,
        )
    )


def responsible_for(db: Db, external_userid: str, chat_id: str = "") -> UserId | None:
    """Who acts first for a customer.

    Their manager when a friend, else the oldest active follow user, else the owner of the
    group they spoke in, else the manager that the bank named.
    """
    who = customer(db, external_userid)
    follows = [row["userid"] for row in follows_of(db, external_userid)]
    active = [each for each in follows if (row := staff(db, each)) is None or row["active"]]
    if who is not None and who["manager"] in active:
        return UserId(who["manager"])
    if active:
        return UserId(active[0])
    owner = db.value("SELECT owner FROM group_chat WHERE chat_id = :id", id=chat_id)
    fallback = owner or (who["manager"] if who is not None else "")
    return UserId(fallback) if fallback else None


# -- groups

_KEEP_GROUP = """
INSERT INTO group_chat (chat_id, name, owner, branch, notice, member_version, created_at, synced_at)
VALUES (:id, :name, :owner, :branch, :notice, :version, :created, :now)
ON CONFLICT (chat_id) DO UPDATE SET
  name = :name, owner = :owner, branch = :branch, notice = :notice,
  member_version = :version, dismissed_at = NULL, synced_at = :now
"""
_KEEP_GROUP_MEMBER = """
INSERT INTO group_member (chat_id, member, nickname, join_scene, invitor, joined_at)
VALUES (:chat, :member, :nickname, :scene, :invitor, :joined)
ON CONFLICT (chat_id, member) DO UPDATE SET
  nickname = :nickname, join_scene = :scene, invitor = :invitor, joined_at = :joined,
  left_at = NULL
"""


def keep_group(db: Db, group: Mapping[str, Any], now: int) -> list[ExternalUserId]:
    """Keep a group as ``groupchat/get`` gives it; the customers who are new in it."""
    chat_id = group["chat_id"]
    owner = group.get("owner", "")
    present = {
        row["member"]
        for row in db.rows(
            "SELECT member FROM group_member WHERE chat_id = :id AND left_at IS NULL", id=chat_id
        )
    }
    db.run(
        _KEEP_GROUP,
        id=chat_id,
        name=group.get("name", ""),
        owner=owner,
        branch=db.value("SELECT branch FROM staff WHERE userid = :id", id=owner) or "",
        notice=group.get("notice", ""),
        version=group.get("member_version", ""),
        created=int(group.get("create_time", 0)) * 1000,
        now=now,
    )
    members = group.get("member_list", [])
    for member in members:
        _keep_group_member(db, chat_id, member, now)
    gone = present - {member["userid"] for member in members}
    members_left(db, chat_id, gone, now)
    return [
        ExternalUserId(member["userid"])
        for member in members
        if member["userid"] not in present and is_external(member["userid"])
    ]


def _keep_group_member(db: Db, chat_id: str, member: Mapping[str, Any], now: int) -> None:
    person = member["userid"]
    db.run(
        _KEEP_GROUP_MEMBER,
        chat=chat_id,
        member=person,
        nickname="" if is_erased(db, person) else _called(member),
        scene=member.get("join_scene", 0),
        invitor=(member.get("invitor") or {}).get("userid", ""),
        joined=int(member.get("join_time", 0)) * 1000,
    )
    if is_external(person):
        know_person(db, person, now, member.get("name", ""))
        settle_customer(db, person)


def _called(member: Mapping[str, Any]) -> str:
    return str(member.get("group_nickname") or member.get("name", ""))


def members_joined(db: Db, chat_id: str, members: Iterable[str], scene: int, now: int) -> None:
    """Apply the joins that a callback lists."""
    for member in members:
        _keep_group_member(
            db, chat_id, {"userid": member, "join_scene": scene, "join_time": now // 1000}, now
        )


def members_left(db: Db, chat_id: str, members: Iterable[str], now: int) -> None:
    """Apply leaves."""
    for member in members:
        db.run(
            "UPDATE group_member SET left_at = :now WHERE chat_id = :chat AND member = :member",
            chat=chat_id,
            member=member,
            now=now,
        )


def group(db: Db, chat_id: str) -> Row | None:
    """One group."""
    return db.one("SELECT * FROM group_chat WHERE chat_id = :id", id=chat_id)


def set_member_version(db: Db, chat_id: str, version: str) -> None:
    """Remember the member list's version after a change was applied."""
    db.run(
        "UPDATE group_chat SET member_version = :version WHERE chat_id = :id",
        version=version,
        id=chat_id,
    )


def dismiss_group(db: Db, chat_id: ChatId, now: int) -> None:
    """The owner dissolved the group."""
    db.run("UPDATE group_chat SET dismissed_at = :now WHERE chat_id = :id", now=now, id=chat_id)


# -- tags


_TAGGED = """
SELECT f.userid, f.external_userid, f.tags FROM follow f
WHERE f.ended_at IS NULL AND EXISTS (SELECT 1 FROM json_each(f.tags) t
  WHERE t.value IN (SELECT value FROM json_each(:tags)))
"""


def keep_tags(db: Db, groups: Iterable[Mapping[str, Any]]) -> set[str]:
    """Replace the tag library with what ``get_corp_tag_list`` gives; slugs of ours stay.

    Returns:
        The tags of ours that are gone: somebody deleted them in the console.
    """
    slugs = {row["tag_id"]: row["slug"] for row in db.rows("SELECT tag_id, slug FROM corp_tag")}
    db.run("DELETE FROM corp_tag")
    for each in groups:
        for tag in each.get("tag", []):
            if not tag.get("deleted"):
                db.run(
                    "INSERT INTO corp_tag (tag_id, group_id, group_name, name, slug)"
                    " VALUES (:id, :group, :group_name, :name, :slug)",
                    id=tag["id"],
                    group=each["group_id"],
                    group_name=each["group_name"],
                    name=tag["name"],
                    slug=slugs.get(tag["id"]),
                )
    present = {row["tag_id"] for row in db.rows("SELECT tag_id FROM corp_tag")}
    return {tag_id for tag_id, slug in slugs.items() if slug and tag_id not in present}


def strip_tags(db: Db, gone: set[str]) -> list[tuple[UserId, ExternalUserId]]:
    """Take deleted tags off every friendship that carried one; which ones."""
    rows = db.rows(_TAGGED, tags=json.dumps(sorted(gone))) if gone else []
    for row in rows:
        left = set(json.loads(row["tags"])) - gone
        tags_changed(db, row["userid"], row["external_userid"], left)
    return [(UserId(row["userid"]), ExternalUserId(row["external_userid"])) for row in rows]


def bind_tag(db: Db, group_name: str, name: str, slug: str) -> bool:
    """Say which of our rules a tag carries; False when the library lacks the tag."""
    return bool(
        db.run(
            "UPDATE corp_tag SET slug = :slug WHERE group_name = :group AND name = :name",
            slug=slug,
            group=group_name,
            name=name,
        )
    )


def tag_ids(db: Db, slugs: Iterable[str]) -> dict[str, str]:
    """The tag of each slug that has one."""
    wanted = json.dumps(list(slugs))
    return {
        row["slug"]: row["tag_id"]
        for row in db.rows(
            "SELECT slug, tag_id FROM corp_tag"
            " WHERE slug IN (SELECT value FROM json_each(:wanted))",
            wanted=wanted,
        )
    }


def tags_changed(db: Db, userid: str, external_userid: str, tags: Iterable[str]) -> None:
    """Remember the tags of a friendship after WeCom accepted a change: it calls nothing back."""
    db.run(
        "UPDATE follow SET tags = :tags WHERE userid = :userid AND external_userid = :id",
        tags=json.dumps(sorted(tags)),
        userid=userid,
        id=external_userid,
    )
