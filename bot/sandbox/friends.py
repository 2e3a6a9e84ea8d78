"""People: staff, customers, who is whose friend, remarks and tags made by hand."""

from __future__ import annotations

from bot.errors import Invalid
from bot.sandbox.records import Customer, Department, Friendship, Staff, Tag, TagGroup, WelcomeCode
from bot.sandbox.state import WorldState, act


class Friends(WorldState):
    """What people do about knowing each other."""

    @act
    def add_department(self, name: str, parentid: int = 1, number: int | None = None) -> int:
        """Open a branch or a team and return its id."""
        number = number or max(self.departments) + 1
        self.departments[number] = Department(number, name, parentid, order=10 * number)
        self.tell("contacts", "change_contact", ChangeType="create_party", Id=number, Name=name)
        self.record("department_added", department=number, name=name)
        return number

    @act
    def add_staff(
        self,
        userid: str,
        name: str,
        department: int = 1,
        position: str = "",
        *,
        leader: bool = False,
        contact: bool = True,
        mobile: str = "",
    ) -> str:
        """Hire somebody; ``contact`` switches customer contact on for them."""
        person = Staff(userid, name, department, position, leader, contact=contact, mobile=mobile)
        self.staff[userid] = person
        self._tell_staff("create_user", userid, Department=str(department))
        self.record("staff_added", userid=userid, name=name, department=department)
        return userid

    @act
    def move_staff(self, userid: str, department: int) -> None:
        """Somebody changes branch."""
        self.known_staff(userid).department = department
        self._tell_staff("update_user", userid, Department=str(department))
        self.record("staff_moved", userid=userid, department=department)

    @act
    def staff_leaves(self, userid: str) -> None:
        """Somebody leaves the corp; their customers and groups stay unassigned."""
        self.known_staff(userid)
        del self.staff[userid]
        self._tell_staff("delete_user", userid)
        self.record("staff_left", userid=userid)

    def _tell_staff(self, change: str, userid: str, **fields: object) -> None:
        self.tell("contacts", "change_contact", ChangeType=change, UserID=userid, **fields)

    @act
    def add_customer(
        self,
        name: str,
        external_userid: str | None = None,
        gender: int = 0,
        corp_name: str = "",
    ) -> str:
        """A person outside the corp appears; nobody's friend yet."""
        external_userid = external_userid or self.new_id("wo" if corp_name else "wm")
        self.customers[external_userid] = Customer(external_userid, name, gender, corp_name)
        self.record("customer_added", external_userid=external_userid, name=name)
        return external_userid

    @act
    def add_friend(
        self,
        customer: str,
        userid: str,
        state: str | None = None,
        *,
        half: bool = False,
        add_way: int = 1,
    ) -> str:
        """The customer and the member become friends.

        Args:
            customer: Who adds or is added.
            userid: The member.
            state: Channel of the QR code they scanned.
            half: Added without verification; the member has not confirmed, so that the API still
                answers 84061 (``confirm_friend`` completes it).
            add_way: How, as ``externalcontact/get`` numbers it (1 QR code, 4 from a group).

        Returns:
            The welcome code, or "" when none is given (already welcomed, or a WeCom user).
        """
        self.known_staff(userid)
        self.known_customer(customer)
        if self.friends(userid, customer) is not None:
            raise Invalid(f"{customer} 已经是 {userid} 的客户")
        pair = Friendship(userid, customer, self.seconds(), add_way, state or "", half=half)
        self.put_friendship(pair)
        change = "add_half_external_contact" if half else "add_external_contact"
        return self._tell_added(change, pair)

    @act
    def confirm_friend(self, customer: str, userid: str) -> str:
        """The member adds the customer back after a half-made friendship."""
        pair = self.friendships.get((userid, customer))
        if pair is None or not pair.half:
            raise Invalid(f"{customer} 没有待 {userid} 通过的添加")
        pair.half = False
        return self._tell_added("add_external_contact", pair)

    def _tell_added(self, change: str, pair: Friendship) -> str:
        code = self._welcome_code(pair)
        self.tell(
            "external_contact",
            "change_external_contact",
            ChangeType=change,
            UserID=pair.userid,
            ExternalUserID=pair.external_userid,
            State=pair.state or None,
            WelcomeCode=code or None,
        )
        self.record(
            "friend_half_added" if pair.half else "friend_added",
            userid=pair.userid,
            external_userid=pair.external_userid,
            state=pair.state,
        )
        return code

    def _welcome_code(self, pair: Friendship) -> str:
        """A fresh code unless the pair was welcomed or the customer uses WeCom."""
        key = (pair.userid, pair.external_userid)
        if key in self.welcomed or self.customers[pair.external_userid].type == 2:
            return ""
        code = self.new_id("CALLBACK_", 40)
        expires = self.monotonic() + self.settings.welcome_seconds
        self.welcome_codes[code] = WelcomeCode(code, *key, expires)
        return code

    @act
    def delete_friend(self, userid: str, customer: str, by: str = "member") -> None:
        """One of the two ends the friendship.

        Args:
            userid: The member.
            customer: The customer.
            by: ``member`` (del_external_contact), ``customer`` (del_follow_user) or
                ``transfer`` (del_external_contact with Source DELETE_BY_TRANSFER).
        """
        if not self.drop_friendship(userid, customer):
            raise Invalid(f"{customer} 不是 {userid} 的客户")
        self.welcomed.discard((userid, customer))
        self.tell(
            "external_contact",
            "change_external_contact",
            ChangeType="del_follow_user" if by == "customer" else "del_external_contact",
            UserID=userid,
            ExternalUserID=customer,
            Source="DELETE_BY_TRANSFER" if by == "transfer" else None,
        )
        self.record("friend_deleted", userid=userid, external_userid=customer, by=by)

    @act
    def edit_by_hand(
        self,
        userid: str,
        customer: str,
        *,
        remark: str | None = None,
        mobiles: list[str] | None = None,
        add_tags: list[str] | None = None,
        remove_tags: list[str] | None = None,
        own_tags: list[str] | None = None,
    ) -> None:
        """The member edits remark, phone numbers or tags in the client; the event says not what.

        Args:
            userid: The member who edits.
            customer: Whose entry.
            remark: The member's name for them.
            mobiles: Phone numbers (replaces them).
            add_tags: Ids of corp tags.
            remove_tags: Ids of corp tags.
            own_tags: Names of the member's personal tags (replaces them).
        """
        pair = self.friends(userid, customer)
        if pair is None:
            raise Invalid(f"{customer} 不是 {userid} 的客户")
        pair.remark = pair.remark if remark is None else remark
        pair.remark_mobiles = pair.remark_mobiles if mobiles is None else mobiles
        pair.own_tags = pair.own_tags if own_tags is None else own_tags
        self.change_tags(pair, add_tags or [], remove_tags or [])
        self.tell(
            "external_contact",
            "change_external_contact",
            ChangeType="edit_external_contact",
            UserID=userid,
            ExternalUserID=customer,
        )
        self.record("friend_edited", userid=userid, external_userid=customer)

    def change_tags(self, pair: Friendship, add: list[str], remove: list[str]) -> None:
        """Apply a change of corp tags to one friendship."""
        kept = [tag for tag in pair.tags if tag not in remove]
        pair.tags = kept + [tag for tag in dict.fromkeys(add) if tag not in kept]

    @act
    def create_tags(self, group_name: str, names: list[str], *, by_api: bool = False) -> list[str]:
        """Somebody adds corp tags in the console; returns the ids of those names.

        The API uses it too (``by_api``), and then no callback is raised.
        """
        group = next((g for g in self.tag_groups.values() if g.name == group_name), None)
        if group is None:
            group = TagGroup(
                self.new_id("et"), group_name, self.seconds(), len(self.tag_groups) + 1, by_api
            )
            self.tag_groups[group.id] = group
            self.tell_tag("create", group.id, "tag_group", quiet=by_api)
        return [self._tag_named(group, name, by_api=by_api).id for name in names]

    def _tag_named(self, group: TagGroup, name: str, *, by_api: bool) -> Tag:
        """The tag of that name, made when it is missing (idempotent by name)."""
        for tag in group.tags:
            if tag.name == name:
                return tag
        tag = Tag(self.new_id("et"), name, self.seconds(), len(group.tags) + 1, by_api)
        group.tags.append(tag)
        self.tell_tag("create", tag.id, "tag", quiet=by_api)
        self.record("tag_created", tag_id=tag.id, name=name, group=group.name, by_api=by_api)
        return tag

    @act
    def delete_tags(self, ids: list[str], *, by_api: bool = False) -> None:
        """Remove tags or whole groups (ids of either), also from every friendship."""
        gone: set[str] = set()
        for group in list(self.tag_groups.values()):
            whole = group.id in ids
            dead = [tag.id for tag in group.tags if whole or tag.id in ids]
            gone.update(dead)
            group.tags = [tag for tag in group.tags if tag.id not in dead]
            for tag_id in [group.id] if whole else dead:
                self.tell_tag("delete", tag_id, "tag_group" if whole else "tag", quiet=by_api)
            if not group.tags:
                del self.tag_groups[group.id]
        for pair in self.friendships.values():
            pair.tags = [tag for tag in pair.tags if tag not in gone]
        self.record("tags_deleted", ids=sorted(gone), by_api=by_api)

    @act
    def rename_tag(self, tag_id: str, name: str) -> None:
        """Somebody renames a tag or a group in the console."""
        found = self.find_tag(tag_id)
        if found is None:
            raise Invalid(f"没有标签 {tag_id}")
        found.name = name
        kind = "tag_group" if isinstance(found, TagGroup) else "tag"
        self.tell_tag("update", tag_id, kind, quiet=False)
        self.record("tag_renamed", tag_id=tag_id, name=name)

    def find_tag(self, tag_id: str) -> Tag | TagGroup | None:
        """A tag or a group by its id."""
        if tag_id in self.tag_groups:
            return self.tag_groups[tag_id]
        tags = (tag for group in self.tag_groups.values() for tag in group.tags)
        return next((tag for tag in tags if tag.id == tag_id), None)

    def tell_tag(self, change: str, tag_id: str, kind: str, *, quiet: bool) -> None:
        """Raise the tag event unless the API made the change."""
        if not quiet:
            self.tell(
                "external_tag", "change_external_tag", Id=tag_id, TagType=kind, ChangeType=change
            )
