"""Turns lines of the story into what people do in a World, and fills the World with the branch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.sandbox.records import Callback, Fields
from bot.sandbox.town.people import KF_ID, Line, Persona, Town
from bot.sandbox.world import World

_AGREED = time(6, 30)
_FIRST_FRIEND = 400
_KF_POOL, _KF_PERSON, _KF_OVER = 2, 3, 4


class Stage:
    """Plays lines in a world; remembers what was said, so that it can be quoted and recalled."""

    def __init__(self, world: World, town: Town) -> None:
        self._world = world
        self._town = town
        self._said: dict[str, tuple[str, Line]] = {}
        self._deeds: dict[str, Callable[[Line], object]] = {
            "add_friend": self._add_friend,
            "join": self._join,
            "leave": self._leave,
            "agree": lambda line: self._answer(line, agreed=True),
            "disagree": lambda line: self._answer(line, agreed=False),
            "recall": lambda line: self._world.recall(self._said[line.of][0]),
        }

    def play(self, line: Line) -> None:
        """Say or do one line now.

        Raises:
            Invalid: The world has changed so that it is not possible (somebody left a group).
        """
        if line.do:
            self._deeds[line.do](line)
        elif line.kf:
            self._write_to_kf(line)
        else:
            self._say(line)

    def _say(self, line: Line) -> None:
        peer = "" if line.group else self._peer(line)
        chat_id = self._town.groups[line.group].chat_id if line.group else ""
        speaker = self._town.person(line.who)
        msgid = self._world.say(speaker, self._content(line), chat_id=chat_id, peer=peer)
        if line.id:
            self._said[line.id] = (msgid, line)

    def _peer(self, line: Line) -> str:
        customer = self._town.people[line.dm]
        return customer.follow if line.who == line.dm else customer.external_userid

    def _content(self, line: Line) -> str | Fields:
        if line.kind != "text":
            return _KINDS[line.kind](line, self._world)
        if not line.quote:
            return line.text
        quoted = self._said[line.quote][1]
        name = self._world.name_of(self._town.person(quoted.who))
        # How the archive flattens a reply (document/path/91774).
        return f"这是一条引用/回复消息：\n{name}\n{quoted.text}\n------\n{line.text}"

    def _add_friend(self, line: Line) -> None:
        persona = self._town.people[line.who]
        self._world.add_friend(persona.external_userid, persona.follow, line.state or None)
        self._world.edit_by_hand(persona.follow, persona.external_userid, remark=persona.key)
        self._agree_in(persona.follow, persona)

    def _join(self, line: Line) -> None:
        persona = self._town.people[line.who]
        chat_id = self._town.groups[line.group].chat_id
        self._world.join_group(chat_id, persona.external_userid)
        self._agree_in(chat_id, persona)

    def _agree_in(self, conversation: str, persona: Persona) -> None:
        if persona.archive == "agree":
            self._world.agree(conversation, persona.external_userid)

    def _leave(self, line: Line) -> None:
        chat_id = self._town.groups[line.group].chat_id
        self._world.leave_group(chat_id, self._town.person(line.who))

    def _answer(self, line: Line, *, agreed: bool) -> None:
        """The customer answers about archiving, in all their conversations with us."""
        persona = self._town.people[line.who]
        say = self._world.agree if agreed else self._world.disagree
        for conversation in _conversations(self._town, persona):
            say(conversation, persona.external_userid)

    def _write_to_kf(self, line: Line) -> None:
        """The customer writes; an agent only does so where the bot or the pool let them."""
        customer = self._town.people[line.kf].external_userid
        session = self._world.kf_session(KF_ID, customer)
        if line.who == line.kf:
            if session.state == _KF_OVER:
                self._world.kf_enter(customer, KF_ID)
            self._world.kf_say(customer, KF_ID, line.text)
            return
        if session.state == _KF_POOL:
            self._world.kf_take(line.who, customer, KF_ID)
        if session.state == _KF_PERSON:
            self._world.kf_servicer_say(line.who, customer, KF_ID, line.text)


def _conversations(town: Town, persona: Persona) -> list[str]:
    """The ids of an employee and of groups in which the customer's answer is asked."""
    with_staff = [persona.follow] if persona.follow else []
    return with_staff + [town.groups[group].chat_id for group in persona.groups]


def _picture(line: Line, world: World) -> Fields:
    content = line.text.encode()
    return {
        "md5sum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "filesize": len(content),
        "sdkfileid": world.archive.add_media(content),
    }


def _image(line: Line, world: World) -> Fields:
    return {"msgtype": "image", "image": _picture(line, world)}


def _emotion(line: Line, world: World) -> Fields:
    body = {"type": 1, "width": 120, "height": 120, "imagesize": len(line.text)}
    return {"msgtype": "emotion", "emotion": _picture(line, world) | body}


def _link(line: Line, _world: World) -> Fields:
    body = {
        "title": line.of,
        "description": line.text,
        "link_url": "https://example.invalid/forwarded",
        "image_url": "",
    }
    return {"msgtype": "link", "link": body}


def _mixed(line: Line, world: World) -> Fields:
    words = json.dumps({"content": line.text}, ensure_ascii=False)
    picture = json.dumps(_picture(line, world))
    items = [{"type": "text", "content": words}, {"type": "image", "content": picture}]
    return {"msgtype": "mixed", "mixed": {"item": items}}


def _chatrecord(line: Line, world: World) -> Fields:
    items = [
        {
            "type": "ChatRecordText",
            "msgtime": world.seconds() - 600,
            "content": json.dumps({"content": text}, ensure_ascii=False),
            "from_chatroom": False,
        }
        for _, text in line.of
    ]
    return {"msgtype": "chatrecord", "chatrecord": {"title": "聊天记录", "item": items}}


_KINDS: dict[str, Callable[[Line, World], Fields]] = {
    "image": _image,
    "emotion": _emotion,
    "link": _link,
    "mixed": _mixed,
    "chatrecord": _chatrecord,
}


def populate(world: World, town: Town, day: date) -> None:
    """Put the branch into an empty world as it stands before the doors open on ``day``.

    Staff, customers, friendships, groups, consent to archiving and four days of talk. It happened
    in the past: the world's clock shows the days of then meanwhile, and nothing is called back,
    so that a bot learns of it by listing and from the archive, as in a bank that starts today.

    Raises:
        Invalid: Somebody lives there already.
    """
    if world.customers or world.staff:
        raise Invalid("演练场里已经有人,请换一个空的 World 再 populate")
    with _past(world, day) as clock:
        _open_branch(world, town)
        _meet(world, town, clock, day)
        _gather(world, town)
        # The archive serves five days; answers given on the fourth day before are still in it.
        clock.moment = datetime.combine(day - timedelta(days=4), _AGREED, SHANGHAI)
        for persona in town.people.values():
            if persona.archive == "agree" and not persona.arrives:
                for conversation in _conversations(town, persona):
                    world.agree(conversation, persona.external_userid)
        stage = Stage(world, town)
        for moment, line in town.past(day):
            clock.moment = moment
            stage.play(line)


@contextmanager
def _past(world: World, day: date) -> Iterator[FixedClock]:
    """Meanwhile the world's clock is ours, and nobody hears what happens."""
    long_ago = datetime.combine(day - timedelta(days=_FIRST_FRIEND), time(9), SHANGHAI)
    clock = FixedClock(long_ago)
    with world.lock:
        kept_clock, kept_emit = world.clock, world.emit
        world.clock, world.emit = clock, _nobody_hears
        try:
            yield clock
        finally:
            world.clock, world.emit = kept_clock, kept_emit


def _nobody_hears(_callback: Callback) -> None:
    """There was no bot yet."""


def _open_branch(world: World, town: Town) -> None:
    world.departments[1].name = f"{town.bank}{town.branch}"
    for number, name in town.departments.items():
        world.add_department(name, 1, number)
    for one in town.staff.values():
        leader = one.role == "head"
        world.add_staff(one.userid, one.name, one.department, one.title, leader=leader)
    world.add_kf_account(town.kf_name, list(town.kf_servicers), KF_ID)
    for persona in town.people.values():
        world.add_customer(persona.nick, persona.external_userid, persona.gender)


def _meet(world: World, town: Town, clock: FixedClock, day: date) -> None:
    """Friendships, made over the past year in the order of the file."""
    known = [one for one in town.people.values() if one.follow and not one.arrives]
    for index, persona in enumerate(known):
        days = _FIRST_FRIEND - 30 - index * (_FIRST_FRIEND - 60) // len(known)
        clock.moment = datetime.combine(day - timedelta(days=days), time(10, 15), SHANGHAI)
        world.add_friend(persona.external_userid, persona.follow)
        world.edit_by_hand(persona.follow, persona.external_userid, remark=persona.key)
        world.welcomed.add((persona.follow, persona.external_userid))


def _gather(world: World, town: Town) -> None:
    for crowd in town.groups.values():
        customers = [one.external_userid for one in town.members(crowd.key) if not one.arrives]
        members = [*crowd.staff, *customers]
        world.create_group(crowd.owner, crowd.name, members, crowd.chat_id, crowd.notice)
