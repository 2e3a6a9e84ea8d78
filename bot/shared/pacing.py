"""The pace of calls to WeCom, counted for all processes together."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from bot.errors import Retry
from bot.shared.connection import Shared
from bot.wecom.pacing import MEMBER_CAPS, PATIENCE_SECONDS, Pacing

_LANE_SECONDS = 20.0
_STRUCK_SECONDS = 900
# The theoretical arrival time of the next call, in milliseconds of Redis' own clock.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local due = tonumber(redis.call('GET', KEYS[1]) or '0')
if due < now then due = now end
local wait = math.max(0, due - ARGV[2] - now)
if wait <= tonumber(ARGV[3]) then
  local following = due + ARGV[1]
  redis.call('SET', KEYS[1], tostring(following), 'PX', math.ceil(following - now) + 1000)
end
return tostring(wait)
"""
_PARK = """
local rest = redis.call('PTTL', KEYS[1])
if rest > 0 then return rest end
local again = tonumber(ARGV[2])
rest = tonumber(ARGV[1])
if again > 0 and redis.call('EXISTS', KEYS[2]) == 1 then rest = again end
redis.call('SET', KEYS[1], '1', 'PX', rest)
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
return rest
"""
# All members or none: (span, most) pairs stand behind the name of this message.
_ADMIT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local wait = 0
for _, member in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', member, '-inf', now - ARGV[#ARGV - 1])
  for place = 2, #ARGV, 2 do
    local span, most = tonumber(ARGV[place]), tonumber(ARGV[place + 1])
    local nth = redis.call('ZREVRANGE', member, most - 1, most - 1, 'WITHSCORES')
    if nth[2] then wait = math.max(wait, nth[2] + span - now) end
  end
end
if wait > 0 then return tostring(wait) end
for _, member in ipairs(KEYS) do
  redis.call('ZADD', member, now, ARGV[1])
  redis.call('EXPIRE', member, ARGV[#ARGV - 1])
end
return '0'
"""
# Only where Redis knows nothing of a member, so that no start counts a message twice.
_RECALL = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
for place = 2, #ARGV do
  redis.call('ZADD', KEYS[1], time[1] - ARGV[place], 'recalled-' .. place)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


class SharedPacing(Pacing):
    """Rates, rests, lanes and caps of the corp, whatever the number of processes.

    Raises:
        Retry: From every method, while Redis does not answer: nothing is called then.
    """

    def __init__(
        self,
        shared: Shared,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        super().__init__(monotonic, sleep)
        self._shared = shared
        self._seen_struck: set[str] = set()

    def wait_for(self, path: str, per_minute: int) -> float:
        """Seconds to wait for a turn; the turn is taken unless that is too long."""
        interval = 60_000 / per_minute
        slack = interval * (max(1, per_minute // 60) - 1)
        with self._shared.answering() as client:
            name = self._shared.name("pace", path)
            wait = client.eval(_TAKE, 1, name, interval, slack, PATIENCE_SECONDS * 1000)
        return float(wait) / 1000

    def door(self, path: str, parallel: int) -> AbstractContextManager[object]:
        """One of the few places at an interface that answers so many at once."""
        if not parallel:
            return nullcontext()
        place = str(random.randrange(parallel))  # noqa: S311  # no secret
        return self._shared.lock("door", path, place, patience=PATIENCE_SECONDS)

    def check(self, path: str) -> None:
        """Refuse while the interface rests.

        Raises:
            Retry: It rests; ``after`` is what is left.
        """
        with self._shared.answering() as client:
            rest = client.pttl(self._shared.name("rest", path))
        if rest > 0:
            raise Retry(f"接口触发频率限制，正在冷却；{path}", rest / 1000)

    def park(self, path: str, first: float, again: float) -> float:
        """Let the interface rest, for everybody; the seconds that it still rests."""
        names = (self._shared.name("rest", path), self._shared.name("struck", path))
        self._seen_struck.add(path)
        with self._shared.answering() as client:
            rest = client.eval(
                _PARK, 2, *names, int(first * 1000), int(again * 1000), _STRUCK_SECONDS
            )
        return float(rest) / 1000

    def passed(self, path: str) -> None:
        """A call went through after the rest: the next limit counts as a first one."""
        if path not in self._seen_struck:
            return
        with self._shared.answering() as client:
            if not client.exists(self._shared.name("rest", path)):
                client.delete(self._shared.name("struck", path))
                self._seen_struck.discard(path)

    def lane(self, userid: str, external_userid: str) -> AbstractContextManager[object]:
        """Held while one friendship is written."""
        return self._shared.lock("friendship", userid, external_userid, patience=_LANE_SECONDS)

    def admit(self, userids: Iterable[str]) -> None:
        """Count one message to each member, or none when somebody's cap is reached.

        Raises:
            Retry: WeCom would drop the message without a word; ``after`` is when it would not.
        """
        members = sorted({userid.lower() for userid in userids})
        if not members:
            return
        names = [self._member(each) for each in members]
        caps = [each for span, most in MEMBER_CAPS for each in (int(span), most)]
        message = f"{random.getrandbits(64):x}"  # no secret
        with self._shared.answering() as client:
            wait = float(client.eval(_ADMIT, len(names), *names, message, *caps))
        if wait > 0:
            raise Retry("该成员的应用消息已达每分钟或每小时上限，稍后再发", wait)

    def recall(self, sent: Iterable[tuple[str, float]]) -> None:
        """Count messages of before Redis was emptied: (member, seconds ago), in any order."""
        of_member: dict[str, list[int]] = {}
        for member, ago in sent:
            of_member.setdefault(member.lower(), []).append(math.floor(ago))
        longest = int(MEMBER_CAPS[-1][0])
        with self._shared.answering() as client:
            for member, agos in of_member.items():
                client.eval(_RECALL, 1, self._member(member), longest, *agos)

    def _member(self, member: str) -> str:
        return self._shared.name("sent", member)
