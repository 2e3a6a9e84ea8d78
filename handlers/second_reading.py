"""What a second reader is asked about: lines of today that say something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bot.actions import AskModel
from bot.dispatch import on
from bot.happenings import MessageRead
from handlers.known import Known

_SHORTEST = 6
"""Characters; shorter lines hold nothing that the rules do not know."""
_LATELY = timedelta(days=1)


@on(MessageRead, when=lambda event: event.characters >= _SHORTEST)
def ask_model(event: MessageRead, known: Known) -> Iterator[AskModel]:
    """History is not asked about: a first start reads hundreds of thousands of lines."""
    if known.now - event.at < _LATELY:
        yield AskModel(event.msgid)
