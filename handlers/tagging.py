"""What we know becomes corp tags, for friends only: tags belong to friendships."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import MarkTags
from bot.dispatch import on
from bot.facts import FactClass
from bot.happenings import FactLearned, FriendMade, SegmentsChanged
from bot.model import ExternalUserId
from handlers.known import Known


@on(SegmentsChanged)
def tag_segments(event: SegmentsChanged, known: Known) -> Iterator[MarkTags]:
    """Layers and segments are carried by tags."""
    yield from _mark(event.customer, known)


@on(
    FactLearned,
    when=lambda event: (
        event.fact.type == "product.interest" and event.fact.sensitivity is FactClass.ORDINARY
    ),
)
def tag_interest(event: FactLearned, known: Known) -> Iterator[MarkTags]:
    """A product that the customer asks about becomes a tag."""
    yield from _mark(event.customer, known)


@on(FriendMade)
def tag_new_friend(event: FriendMade, known: Known) -> Iterator[MarkTags]:
    """What was known before the friendship is tagged with it."""
    yield MarkTags(event.customer, event.userid, known.cause)


def _mark(customer: ExternalUserId, known: Known) -> Iterator[MarkTags]:
    for userid in known.follow_users(customer):
        yield MarkTags(customer, userid, known.cause)
