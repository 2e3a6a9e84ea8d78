"""Employees and departments, their login, and WeCom's own addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bot.model import ExternalUserId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.replies import Json, rows, text_of

USER_GET: Final = Call("GET", "user/get")
USER_LIST: Final = Call("GET", "user/list")
USER_SIMPLELIST: Final = Call("GET", "user/simplelist")
DEPARTMENT_LIST: Final = Call("GET", "department/list")
DEPARTMENT_SIMPLELIST: Final = Call("GET", "department/simplelist")
GETUSERINFO: Final = Call("GET", "auth/getuserinfo")
GET_JSAPI_TICKET: Final = Call("GET", "get_jsapi_ticket")
GET_AGENT_TICKET: Final = Call("GET", "ticket/get")
GETCALLBACKIP: Final = Call("GET", "getcallbackip")
GET_API_DOMAIN_IP: Final = Call("GET", "get_api_domain_ip")


@dataclass(frozen=True, slots=True)
class Login:
    """Who stands behind an OAuth code.

    Attributes:
        userid: An employee, or None: everybody else is refused at the sidebar.
        external_userid: A customer who already is an external contact.
        openid: Somebody who is not an employee.
        user_ticket: Only with ``snsapi_privateinfo``; 30 minutes.
    """

    userid: UserId | None
    external_userid: ExternalUserId | None = None
    openid: str | None = field(default=None, repr=False)
    user_ticket: str | None = field(default=None, repr=False)


class Staff(Door):
    """The directory as the app sees it: only its visible range."""

    def user_get(self, userid: UserId) -> Json:
        """One employee (90196); ``status`` 1 active, 2 disabled, 4 not activated, 5 left."""
        limits.present("成员 userid", userid)
        limits.at_most_bytes("成员 userid", userid, 64)
        return self._call(USER_GET, query={"userid": userid})

    def user_list(self, department_id: int) -> list[Json]:
        """Employees of one department with details (90201), not of those below it."""
        reply = self._call(USER_LIST, query={"department_id": department_id})
        return rows(reply, "userlist")

    def user_simplelist(self, department_id: int) -> list[Json]:
        """Employees of one department, ids and names (90200), not of those below it."""
        reply = self._call(USER_SIMPLELIST, query={"department_id": department_id})
        return rows(reply, "userlist")

    def department_list(self, department_id: int | None = None) -> list[Json]:
        """Departments with names (90208); slower than ``department_simplelist``."""
        return rows(self._call(DEPARTMENT_LIST, query={"id": department_id}), "department")

    def department_simplelist(self, department_id: int | None = None) -> list[Json]:
        """The tree below a department, or all of it: id, parentid, order (95350)."""
        reply = self._call(DEPARTMENT_SIMPLELIST, query={"id": department_id})
        return rows(reply, "department_id")

    def auth_getuserinfo(self, code: str) -> Login:
        """Exchange an OAuth or scan-login code (91023): once, within five minutes.

        Raises:
            Refused: 40029, 42003 or 42022: start the login again.
        """
        limits.present("登录 code", code)
        limits.at_most_bytes("登录 code", code, 512)
        reply = self._call(GETUSERINFO, query={"code": code})
        userid, customer = reply.get("userid"), reply.get("external_userid")
        return Login(
            UserId(userid) if userid else None,
            ExternalUserId(customer) if customer else None,
            reply.get("openid"),
            reply.get("user_ticket"),
        )

    def get_jsapi_ticket(self) -> str:
        """The corp's ticket for ``wx.config`` (90506), kept until it expires: 400 calls an hour."""
        return self._tokens.cached("agent", "jsapi", lambda: self._ticket(GET_JSAPI_TICKET, None))

    def get_agent_ticket(self) -> str:
        """This app's ticket for ``wx.agentConfig`` (90506), kept until it expires."""
        return self._tokens.cached(
            "agent", "agent_config", lambda: self._ticket(GET_AGENT_TICKET, "agent_config")
        )

    def _ticket(self, call: Call, kind: str | None) -> tuple[str, float]:
        reply = self._call(call, query={"type": kind})
        return text_of(reply, "ticket"), float(reply.get("expires_in", 7200))

    def getcallbackip(self) -> tuple[str, ...]:
        """Addresses that callbacks come from (92521); an entry may end in ``*``."""
        return tuple(rows(self._call(GETCALLBACKIP), "ip_list"))

    def get_api_domain_ip(self) -> tuple[str, ...]:
        """Addresses of the API (92520), for the firewall; once a day is enough."""
        return tuple(rows(self._call(GET_API_DOMAIN_IP), "ip_list"))
