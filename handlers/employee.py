"""What employees write to the app: an answer to everything, never silence."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import AnswerEmployee
from bot.app_events import EnterAgent
from bot.dispatch import on
from bot.events import AppImage, AppLink, AppLocation, AppMessage, AppText, AppVideo, AppVoice
from handlers.known import Known

_TODAY = frozenset({"今日待办", "待办", "今日", "今天"})
_FIND = ("查询", "查")
_LOGIN = frozenset({"登录", "控制台", "登陆"})


@on(AppText)
def answer_text(event: AppText, known: Known) -> Iterator[AnswerEmployee]:
    """帮助, 今日待办, 查 NAME, 登录; anything else gets the help."""
    question, argument = read_question(event.content)
    yield AnswerEmployee(event.userid, question, argument, event.msgid or known.cause)


@on(AppImage)
@on(AppVoice)
@on(AppVideo)
@on(AppLocation)
@on(AppLink)
def answer_other(event: AppMessage, known: Known) -> Iterator[AnswerEmployee]:
    """Pictures and voices get the help too."""
    yield AnswerEmployee(event.userid, "help", "", event.msgid or known.cause)


@on(EnterAgent)
def greet_nobody(_event: EnterAgent, _known: Known) -> Iterator[AnswerEmployee]:
    """Opening the app asks nothing."""
    yield from ()


def read_question(text: str) -> tuple[str, str]:
    """(question, argument): help, today, find with a name, or login."""
    words = text.strip()
    if words in _TODAY:
        return "today", ""
    if words in _LOGIN:
        return "login", ""
    for start in _FIND:
        name = words.removeprefix(start).lstrip(": ").strip()
        if words.startswith(start) and name:
            return "find", name[:40]
    return "help", ""
