"""Welcome messages to new customers, and greetings for those who join a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bot.errors import Refused
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.errcodes import WELCOME_DONE
from bot.wecom.limits import Attachment
from bot.wecom.replies import Json, made_id

SEND_WELCOME_MSG: Final = Call(
    "POST", "externalcontact/send_welcome_msg", "contact", repeat="idempotent_by_code"
)
TEMPLATE_ADD: Final = Call(
    "POST", "externalcontact/group_welcome_template/add", "contact", repeat="not_idempotent"
)
TEMPLATE_EDIT: Final = Call(
    "POST", "externalcontact/group_welcome_template/edit", "contact", repeat="idempotent"
)
TEMPLATE_GET: Final = Call("POST", "externalcontact/group_welcome_template/get", "contact")
TEMPLATE_DEL: Final = Call(
    "POST", "externalcontact/group_welcome_template/del", "contact", repeat="idempotent"
)


class Greetings(Door):
    """What WeCom sends to customers without anybody's tap."""

    def send_welcome_msg(
        self, welcome_code: str, text: str = "", attachments: Sequence[Attachment] = ()
    ) -> bool:
        """Greet a new customer within 20 seconds of the event, once (92137).

        Returns:
            False when the greeting or the chat had already begun (41051): done as well.

        Raises:
            Refused: 41050, the code is too old; 41053, archiving not agreed to yet.
        """
        limits.present("欢迎语 welcome_code", welcome_code)
        body = {
            "welcome_code": welcome_code,
            **limits.content("欢迎语文字", text, 4000, attachments),
        }
        try:
            self._call(SEND_WELCOME_MSG, body)
        except Refused as error:
            if error.errcode != WELCOME_DONE:
                raise
            return False
        return True

    def group_welcome_template_add(
        self, text: str = "", attachment: Attachment | None = None, *, notify: bool = True
    ) -> str:
        """Keep a greeting that group owners can apply to their groups (92366).

        Args:
            text: ``%NICKNAME%`` becomes the newcomer's name; at most 3,000 bytes.
            attachment: One; WeCom takes no more here.
            notify: Tell the members that there is something to apply.

        Returns:
            The ``template_id``.

        Raises:
            Uncertain: It may have been made; there is no list to look it up.
        """
        body = {**_template(text, attachment), "notify": int(notify)}
        return made_id(self._call(TEMPLATE_ADD, body), "template_id")

    def group_welcome_template_edit(
        self, template_id: str, text: str = "", attachment: Attachment | None = None
    ) -> None:
        """Replace the content of a template that this app made (92366)."""
        limits.present("入群欢迎语 template_id", template_id)
        self._call(TEMPLATE_EDIT, {"template_id": template_id, **_template(text, attachment)})

    def group_welcome_template_get(self, template_id: str) -> Json:
        """A template's text and attachment in WeCom's shape (92366)."""
        limits.present("入群欢迎语 template_id", template_id)
        return self._call(TEMPLATE_GET, {"template_id": template_id})

    def group_welcome_template_del(self, template_id: str) -> None:
        """Delete a template; groups that use it greet no longer (92366)."""
        limits.present("入群欢迎语 template_id", template_id)
        self._call(TEMPLATE_DEL, {"template_id": template_id})


def _template(text: str, attachment: Attachment | None) -> dict[str, Any]:
    # The page for editing says 4,000 bytes, the one for adding 3,000.
    limits.content("入群欢迎语文字", text, 3000, [attachment] if attachment else [])
    body: dict[str, Any] = {"text": {"content": text} if text else None}
    if attachment:
        body[attachment["msgtype"]] = dict(attachment[attachment["msgtype"]])
    return body
