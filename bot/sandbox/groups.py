"""Customer groups: who is in, who owns them, and what a newcomer is greeted with."""

from __future__ import annotations

from bot.errors import Invalid
from bot.sandbox.friends import Friends
from bot.sandbox.records import Group, Member
from bot.sandbox.state import act

GROUP_SIZE = 500


class Groups(Friends):
    """What people do in and with customer groups."""

    @act
    def create_group(
        self,
        owner: str,
        name: str,
        members: list[str] | None = None,
        chat_id: str | None = None,
        notice: str = "",
    ) -> str:
        """The owner opens a group with first members (staff or customers) and returns its id."""
        self.known_staff(owner)
        chat_id = chat_id or self.new_id("wr")
        group = Group(chat_id, name, owner, self.seconds(), notice)
        for person in dict.fromkeys([owner, *(members or [])]):
            self._known_person(person)
            group.members[person] = Member(person, self.seconds(), invitor=owner)
        group.member_version = self.version(chat_id)
        self.groups[chat_id] = group
        self._tell_group(group, "create")
        self.record("group_created", chat_id=chat_id, name=name, owner=owner)
        return chat_id

    def _known_person(self, person: str) -> None:
        if person not in self.staff:
            self.known_customer(person)

    @act
    def join_group(
        self,
        chat_id: str,
        people: str | list[str],
        scene: int = 3,
        invitor: str = "",
        state: str = "",
    ) -> None:
        """One or several people join.

        Args:
            chat_id: The group.
            people: Staff or customers.
            scene: 1 invited, 2 by a link, 3 scanned the code.
            invitor: The employee who invited them.
            state: Channel of the join way.
        """
        group = self.known_group(chat_id)
        joining = [people] if isinstance(people, str) else list(people)
        for person in joining:
            self._known_person(person)
            if person in group.members:
                raise Invalid(f"{person} 已经在群 {chat_id} 里")
            if len(group.members) >= GROUP_SIZE:
                raise Invalid(f"群 {chat_id} 已满 {GROUP_SIZE} 人")
            group.members[person] = Member(person, self.seconds(), scene, invitor, state)
        self._tell_members(group, "add_member", joining, join_scene=scene)
        self.record("group_joined", chat_id=chat_id, people=joining, scene=scene)
        self._greet(group, joining)

    @act
    def leave_group(self, chat_id: str, people: str | list[str], *, removed: bool = False) -> None:
        """One or several people leave, or are ``removed`` by the owner."""
        group = self.known_group(chat_id)
        leaving = [people] if isinstance(people, str) else list(people)
        for person in leaving:
            if group.members.pop(person, None) is None:
                raise Invalid(f"{person} 不在群 {chat_id} 里")
        self._tell_members(group, "del_member", leaving, quit_scene=int(removed))
        self.record("group_left", chat_id=chat_id, people=leaving, removed=removed)

    @act
    def rename(self, chat_id: str, name: str) -> None:
        """The owner gives the group another name."""
        group = self.known_group(chat_id)
        group.name = name
        self._tell_group(group, "update", UpdateDetail="change_name")
        self.record("group_renamed", chat_id=chat_id, name=name)

    @act
    def set_notice(self, chat_id: str, notice: str) -> None:
        """The owner pins another notice."""
        group = self.known_group(chat_id)
        group.notice = notice
        self._tell_group(group, "update", UpdateDetail="change_notice")
        self.record("group_notice", chat_id=chat_id)

    @act
    def change_owner(self, chat_id: str, userid: str) -> None:
        """The group is handed to another member of it."""
        group = self.known_group(chat_id)
        if userid not in group.members:
            raise Invalid(f"{userid} 不在群 {chat_id} 里,不能当群主")
        group.owner = userid
        self._tell_group(group, "update", UpdateDetail="change_owner")
        self.record("group_owner", chat_id=chat_id, owner=userid)

    @act
    def dismiss(self, chat_id: str) -> None:
        """The owner dissolves the group."""
        group = self.known_group(chat_id)
        group.dismissed = True
        self._tell_group(group, "dismiss")
        self.record("group_dismissed", chat_id=chat_id)

    @act
    def apply_group_welcome(self, chat_id: str, template_id: str) -> None:
        """The owner applies welcome material; later joins are greeted without a tap."""
        if template_id and template_id not in self.group_templates:
            raise Invalid(f"没有入群欢迎语 {template_id}")
        self.known_group(chat_id).welcome_template = template_id
        self.record("group_welcome_applied", chat_id=chat_id, template_id=template_id)

    def _greet(self, group: Group, joining: list[str]) -> None:
        """Show the applied welcome material to customers who joined."""
        template = self.group_templates.get(group.welcome_template)
        customers = [person for person in joining if person in self.customers]
        if template is None or not customers:
            return
        text = str(template.get("text", {}).get("content", ""))
        names = "、".join(self.name_of(person) for person in customers)
        self.record(
            "delivered",
            channel="group_welcome",
            sender=group.owner,
            chat_id=group.chat_id,
            external_userid="",
            people=customers,
            text=text.replace("%NICKNAME%", names),
            attachments=[],
        )

    def _tell_members(
        self, group: Group, detail: str, people: list[str], join_scene: int = 0, quit_scene: int = 0
    ) -> None:
        last, group.member_version = group.member_version, self.version(group.chat_id)
        self._tell_group(
            group,
            "update",
            UpdateDetail=detail,
            JoinScene=join_scene,
            QuitScene=quit_scene,
            MemChangeCnt=len(people),
            MemChangeList={"Item": people},
            LastMemVer=last,
            CurMemVer=group.member_version,
        )

    def _tell_group(self, group: Group, change: str, **fields: object) -> None:
        group.fresh_at = self.monotonic() + self.settings.group_lag_seconds
        self.tell(
            "external_chat",
            "change_external_chat",
            ChatId=group.chat_id,
            ChangeType=change,
            **fields,
        )
