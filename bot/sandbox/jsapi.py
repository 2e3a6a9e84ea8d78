"""WeCom's script in a page and the client behind it: what a chat sidebar can ask.

The script speaks to this server instead of a client's window: it checks the signature of
``wx.agentConfig`` as the platform does, then tells which chat is open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from bot.sandbox.app import Sandbox

SCRIPT = "/open/js/jweixin-1.2.0.js"
_OPEN = {"access-control-allow-origin": "*", "access-control-allow-headers": "content-type"}
_WORDS = """\
// The sandbox's stand-in for WeCom's jweixin: the same calls, answered by the sandbox.
(() => {
  const home = new URL(document.currentScript.src).origin;
  let allowed = [];
  const ask = (what, body) =>
    fetch(`${home}/sandbox/jsapi/${what}`, { method: "POST", body: JSON.stringify(body) })
      .then((answer) => answer.json());
  const agentConfig = async (asked) => {
    const url = location.href.split("#")[0];
    const answer = await ask("agent_config", { ...asked, url });
    if (answer.errcode) { asked.fail?.({ errMsg: `agentConfig:${answer.errmsg}` }); return; }
    allowed = asked.jsApiList;
    asked.success?.({ errMsg: "agentConfig:ok" });
  };
  const invoke = async (name, _given, done) => {
    const known = name === "getContext" || allowed.includes(name);
    if (!known) { done({ err_msg: `${name}:no permission` }); return; }
    done(await ask("invoke", { name }));
  };
  window.wx = { agentConfig, invoke };
})();
"""


def signature(ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """What 90506 wants: SHA-1 over these four in this order."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324  # the platform's choice


class Jsapi:
    """The script and its two questions."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """What the application mounts."""
        return [
            Route(SCRIPT, self.script),
            Route("/sandbox/jsapi/agent_config", self.agent_config, methods=["POST"]),
            Route("/sandbox/jsapi/invoke", self.invoke, methods=["POST"]),
        ]

    async def script(self, _request: Request) -> Response:
        """The script itself."""
        return Response(_WORDS, media_type="text/javascript")

    async def agent_config(self, request: Request) -> Response:
        """0, or 40093 for a signature that is not this app's."""
        asked = await request.json()
        settings = self._sandbox.settings
        good = signature(
            f"agent-ticket-{settings.agent_id}",
            str(asked.get("nonceStr", "")),
            str(asked.get("timestamp", "")),
            str(asked.get("url", "")),
        )
        ours = (asked.get("corpid"), str(asked.get("agentid"))) == (
            settings.corp_id,
            str(settings.agent_id),
        )
        given = str(asked.get("signature", ""))
        if not ours or not hmac.compare_digest(good.encode(), given.encode()):
            return _json({"errcode": 40093, "errmsg": "invalid signature"})
        return _json({"errcode": 0, "errmsg": "ok"})

    async def invoke(self, request: Request) -> Response:
        """Which chat is open on the employee's screen."""
        name = (await request.json()).get("name", "")
        kind, chat = self._sandbox.world.chat_on_screen
        entry = {"single": "single_chat_tools", "group": "group_chat_tools"}.get(kind, "normal")
        if name == "getContext":
            return _json({"err_msg": "getContext:ok", "entry": entry})
        if name == "getCurExternalContact" and kind == "single":
            return _json({"err_msg": f"{name}:ok", "userId": chat})
        if name == "getCurExternalChat" and kind == "group":
            return _json({"err_msg": f"{name}:ok", "chatId": chat})
        return _json({"err_msg": f"{name}:without context of external contact"})


def _json(value: Any) -> Response:
    return Response(json.dumps(value), media_type="application/json", headers=_OPEN)
