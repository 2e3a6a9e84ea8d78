"""Calls about the corp, customers and tags."""

from __future__ import annotations

from bot.sandbox.api import Call, answers, page
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Customer, Fields, Friendship, Staff, Tag, TagGroup
from bot.sandbox.world import World

TAG_LIMIT = 3000


@answers("user_get")
def user_get(world: World, call: Call) -> Fields:
    """One employee; the id's case does not matter."""
    wanted = call.args["userid"].lower()
    for person in world.staff.values():
        if person.userid.lower() == wanted:
            return _member(person)
    raise ApiError(60111, "userid not found")


@answers("user_list")
def user_list(world: World, call: Call) -> Fields:
    """The employees of one department, in detail."""
    return {"userlist": [_member(one) for one in _of_department(world, call)]}


@answers("user_simplelist")
def user_simplelist(world: World, call: Call) -> Fields:
    """The employees of one department, short."""
    keys = ("userid", "name", "department")
    members = [_member(one) for one in _of_department(world, call)]
    return {"userlist": [{key: one[key] for key in keys} for one in members]}


def _of_department(world: World, call: Call) -> list[Staff]:
    wanted = call.args["department_id"]
    if wanted not in world.departments:
        raise ApiError(60123, "invalid department id")
    return [one for one in world.staff.values() if one.department == wanted]


def _member(person: Staff) -> Fields:
    return {
        "userid": person.userid,
        "name": person.name,
        "department": [person.department],
        "order": [0],
        "is_leader_in_dept": [int(person.leader)],
        "direct_leader": [person.direct_leader] if person.direct_leader else [],
        "main_department": person.department,
        "status": person.status,
        "position": person.position,
    }


@answers("user_getuserid")
def user_getuserid(world: World, call: Call) -> Fields:
    """The employee with a phone number."""
    for person in world.staff.values():
        if person.mobile and person.mobile == call.args["mobile"]:
            return {"userid": person.userid}
    raise ApiError(46004, "user not exist")


@answers("department_list")
def department_list(world: World, call: Call) -> Fields:
    """Departments below one (itself included), or all."""
    return {
        "department": [
            {
                "id": one.id,
                "name": one.name,
                "name_en": "",
                "department_leader": [
                    s.userid for s in world.staff.values() if s.leader and s.department == one.id
                ],
                "parentid": one.parentid,
                "order": one.order,
            }
            for one in world.departments.values()
            if one.id in _below(world, call.args.get("id"))
        ]
    }


@answers("department_simplelist")
def department_simplelist(world: World, call: Call) -> Fields:
    """Ids of departments below one (itself included), or all."""
    return {
        "department_id": [
            {"id": one.id, "parentid": one.parentid, "order": one.order}
            for one in world.departments.values()
            if one.id in _below(world, call.args.get("id"))
        ]
    }


def _below(world: World, root: int | None) -> set[int]:
    if root is None:
        return set(world.departments)
    if root not in world.departments:
        raise ApiError(60123, "invalid department id")
    found, grown = {root}, True
    while grown:
        more = {d.id for d in world.departments.values() if d.parentid in found} - found
        found, grown = found | more, bool(more)
    return found


@answers("get_follow_user_list")
def get_follow_user_list(world: World, _call: Call) -> Fields:
    """Members with customer contact."""
    return {"follow_user": [one.userid for one in world.staff.values() if one.contact]}


@answers("externalcontact_list")
def externalcontact_list(world: World, call: Call) -> Fields:
    """One member's customers; 84061 when there are none (what the platform does is not stated)."""
    userid = call.args["userid"]
    visible(world, userid)
    found = [pair.external_userid for pair in world.customers_of(userid)]
    if not found:
        raise ApiError(84061, "not external contact")
    return {"external_userid": found}


def visible(world: World, userid: str) -> Staff:
    """The employee, or the platform's refusal."""
    if userid not in world.staff:
        raise ApiError(40003, "invalid userid")
    person = world.staff[userid]
    if not person.contact:
        raise ApiError(60011, "no privilege to access this member")
    return person


def friendship(world: World, userid: str, customer: str) -> Friendship:
    """The relation, or 40096 for an unknown customer and 84061 for a stranger."""
    visible(world, userid)
    if customer not in world.customers:
        raise ApiError(40096, "invalid external userid")
    pair = world.friends(userid, customer)
    if pair is None:
        raise ApiError(84061, "not external contact")
    return pair


@answers("externalcontact_get")
def externalcontact_get(world: World, call: Call) -> Fields:
    """A customer and everybody who follows them, 500 a page."""
    customer = world.customers.get(call.args["external_userid"])
    if customer is None:
        raise ApiError(40096, "invalid external userid")
    pairs = world.followers(customer.external_userid)
    if not pairs:
        raise ApiError(84061, "not external contact")
    rows, following = page(pairs, call.args, 500)
    found: Fields = {
        "external_contact": _profile(world, customer),
        "follow_user": [_follow_user(world, pair) for pair in rows],
    }
    return found | ({"next_cursor": following} if following else {})


def _profile(world: World, customer: Customer) -> Fields:
    found: Fields = {
        "external_userid": customer.external_userid,
        "name": customer.name,
        "avatar": "",
        "type": customer.type,
        "gender": customer.gender,
    }
    if customer.type == 1:
        found["unionid"] = f"oz{world.settings.seed}{customer.external_userid[-10:]}"
    else:
        found |= {"corp_name": customer.corp_name, "corp_full_name": customer.corp_name}
    return found


def _follow_info(pair: Friendship) -> Fields:
    found: Fields = {
        "userid": pair.userid,
        "remark": pair.remark,
        "description": pair.description,
        "createtime": pair.createtime,
        "remark_mobiles": pair.remark_mobiles,
        "oper_userid": pair.userid,
        "add_way": pair.add_way,
    }
    if pair.remark_company:
        found["remark_corp_name"] = pair.remark_company
    return found | ({"state": pair.state} if pair.state else {})


def _follow_user(world: World, pair: Friendship) -> Fields:
    tags: list[Fields] = [
        {"group_name": group.name, "tag_name": tag.name, "tag_id": tag.id, "type": 1}
        for group in world.tag_groups.values()
        for tag in group.tags
        if tag.id in pair.tags
    ]
    own = [{"group_name": "", "tag_name": name, "type": 2} for name in pair.own_tags]
    return _follow_info(pair) | {"tags": tags + own}


@answers("batch_get_by_user")
def batch_get_by_user(world: World, call: Call) -> Fields:
    """The customers of up to 100 members, 100 rows a page; corp tags only."""
    members = call.args["userid_list"]
    for userid in members:
        visible(world, userid)
    pairs = [pair for userid in dict.fromkeys(members) for pair in world.customers_of(userid)]
    rows, following = page(pairs, call.args, 50)
    return {
        "external_contact_list": [
            {
                "external_contact": _profile(world, world.customers[pair.external_userid]),
                "follow_info": _follow_info(pair) | {"tag_id": list(pair.tags)},
            }
            for pair in rows
        ],
        "next_cursor": following,
        "fail_info": {"unlicensed_userid_list": []},
    }


@answers("externalcontact_remark")
def externalcontact_remark(world: World, call: Call) -> None:
    """Change what a member notes about a customer; no callback follows."""
    args = call.args
    pair = friendship(world, args["userid"], args["external_userid"])
    if len(args) <= 2:
        raise ApiError(40058, "nothing to change")
    pair.remark = args.get("remark", pair.remark)
    pair.description = args.get("description", pair.description)
    pair.remark_company = args.get("remark_company", pair.remark_company)
    mobiles = args.get("remark_mobiles", pair.remark_mobiles)
    pair.remark_mobiles = [one for one in mobiles if one]
    world.record("remarked", userid=pair.userid, external_userid=pair.external_userid)


@answers("get_corp_tag_list")
def get_corp_tag_list(world: World, call: Call) -> Fields:
    """The tag library, or the part asked for; ``group_id`` wins over ``tag_id``."""
    groups = call.args.get("group_id") or []
    tags = [] if groups else call.args.get("tag_id") or []
    found = []
    for group in world.tag_groups.values():
        shown = [tag for tag in group.tags if not tags or tag.id in tags]
        if (not groups or group.id in groups) and shown:
            found.append(_tag_group(group, [tag.id for tag in shown]))
    return {"tag_group": found}


def _tag_group(group: TagGroup, shown: list[str]) -> Fields:
    return {
        "group_id": group.id,
        "group_name": group.name,
        "create_time": group.create_time,
        "order": group.order,
        "deleted": False,
        "tag": [
            {
                "id": tag.id,
                "name": tag.name,
                "create_time": tag.create_time,
                "order": tag.order,
                "deleted": False,
            }
            for tag in group.tags
            if tag.id in shown
        ],
    }


@answers("add_corp_tag")
def add_corp_tag(world: World, call: Call) -> Fields:
    """Add tags to a group (made when missing); a name that exists is not made twice."""
    args = call.args
    group = world.tag_groups.get(args.get("group_id", ""))
    if args.get("group_id") and group is None:
        raise ApiError(40068, "invalid tag group id")
    name = group.name if group else args.get("group_name", "")
    if not name:
        raise ApiError(40063, "group_id or group_name missing")
    names = [tag["name"] for tag in args["tag"]]
    if len(set(names)) != len(names):
        raise ApiError(40071, "duplicate tag name")
    if sum(len(one.tags) for one in world.tag_groups.values()) + len(names) > TAG_LIMIT:
        raise ApiError(40126, "corp tag quota full")
    ids = world.create_tags(name, names, by_api=True)
    made = next(one for one in world.tag_groups.values() if one.name == name)
    return {"tag_group": _tag_group(made, ids)}


@answers("edit_corp_tag")
def edit_corp_tag(world: World, call: Call) -> None:
    """Rename or reorder a tag or a group of our own."""
    found = _own_tag(world, call.args["id"])
    found.name = call.args.get("name", found.name)
    found.order = call.args.get("order", found.order)
    world.record("tag_edited", tag_id=found.id)


@answers("del_corp_tag")
def del_corp_tag(world: World, call: Call) -> None:
    """Delete tags or groups of our own."""
    ids = [*call.args.get("tag_id", []), *call.args.get("group_id", [])]
    if not ids:
        raise ApiError(40063, "tag_id or group_id missing")
    for one in ids:
        _own_tag(world, one)
    world.delete_tags(ids, by_api=True)


def _own_tag(world: World, tag_id: str) -> TagGroup | Tag:
    found = world.find_tag(tag_id)
    if found is None:
        raise ApiError(40068, "invalid tag id")
    if not found.by_api:
        raise ApiError(81011, "tag not created by this app")
    return found


@answers("mark_tag")
def mark_tag(world: World, call: Call) -> None:
    """Tag or untag one friendship; no callback follows."""
    args = call.args
    add, remove = args.get("add_tag") or [], args.get("remove_tag") or []
    pair = friendship(world, args["userid"], args["external_userid"])
    if not add and not remove:
        raise ApiError(40063, "add_tag and remove_tag are both empty")
    for tag_id in [*add, *remove]:
        if not isinstance(world.find_tag(tag_id), Tag):
            raise ApiError(40068, "invalid tag id")
    world.change_tags(pair, add, remove)
    world.record(
        "tagged",
        userid=pair.userid,
        external_userid=pair.external_userid,
        add=add,
        remove=remove,
    )
