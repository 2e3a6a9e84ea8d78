"""Sign-ups in plain words: which event is meant, and what the customer is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.actions import Action, AnswerKf, SignOff, SignUp, TellStaff
from bot.clock import SHANGHAI
from bot.dispatch import on
from bot.happenings import FactLearned, SignUpKept
from handlers.known import Known, OpenEvent

_SHORTEST_NAME = 2
_LEADS = {"going": "kf_signed_up", "waiting": "kf_waiting_list", "off": "kf_signed_off"}


@on(FactLearned, when=lambda event: event.fact.type == "event.rsvp")
def take_sign_up(event: FactLearned, known: Known) -> Iterator[Action]:
    """A clear yes or no acts at once; who meant which of several is asked by a person."""
    response = event.fact.value.get("response")
    if response == "yes":
        yield from _yes(event, known)
    elif response == "no":
        meant = _meant(known.signed_up(event.customer), event.fact.evidence.text)
        if len(meant) == 1:
            yield SignOff(event.customer, meant[0].id, event.msgid, event.open_kfid)


def _yes(event: FactLearned, known: Known) -> Iterator[Action]:
    party = int(event.fact.value.get("party", 1))
    some = known.events_for(event.customer, event.chat_id)
    meant = _meant(some, event.fact.evidence.text)
    if len(meant) == 1:
        source = "kf" if event.open_kfid else "talk"
        one = meant[0].id
        yield SignUp(
            event.customer, one, party, source, event.chat_id, event.msgid, event.open_kfid
        )
        return
    userid = known.responsible(event.customer)
    if some and userid:
        names = "、".join(each.name for each in (meant or some)[:5])
        yield TellStaff(userid, "staff_which_event", {"names": names}, event.customer, event.msgid)


@on(SignUpKept)
def confirm_sign_up(event: SignUpKept, known: Known) -> Iterator[Action]:
    """In customer service at once; elsewhere the owner is told of all changes together."""
    words = _LEADS.get(event.outcome, "kf_event_full")
    if event.open_kfid and known.kf_is_ours(event.open_kfid, event.customer):
        yield AnswerKf(event.open_kfid, event.customer, words, event.msgid)


def _meant(some: Sequence[OpenEvent], words: str) -> list[OpenEvent]:
    """The events that fit the words best; all of them when the words name none."""
    if len(some) <= 1:
        return list(some)
    scores = [(_score(each, words), each) for each in some]
    best = max(score for score, _ in scores)
    return [each for score, each in scores if score == best]


def _score(event: OpenEvent, words: str) -> int:
    """How many characters in a row a name shares with the words, and whether the day does."""
    day = event.starts_at.astimezone(SHANGHAI)
    weekday = "一二三四五六日"[day.weekday()]
    said = max(_shared(event.name, words), _shared(event.kind, words))
    dated = any(f"{mark}{weekday}" in words for mark in ("周", "星期", "礼拜")) or (
        f"{day.day}号" in words or f"{day.month}月{day.day}日" in words
    )
    return 2 * said + dated


def _shared(name: str, words: str) -> int:
    """The longest part of a name that stands in the words; one character names nothing."""
    for size in range(len(name), _SHORTEST_NAME - 1, -1):
        if any(name[start : start + size] in words for start in range(len(name) - size + 1)):
            return size
    return 0
