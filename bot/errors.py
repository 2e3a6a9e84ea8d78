"""Errors sorted by what the caller can do next. Their texts never carry personal data."""

from __future__ import annotations


class QunguanError(Exception):
    """Root of the tree; nobody raises it itself."""


class Retry(QunguanError):
    """It may work later; nothing has happened yet.

    Attributes:
        after: Seconds to wait at least.
    """

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Refused(QunguanError):
    """WeCom answered no; the same request will get the same answer.

    Attributes:
        errcode: The platform's code.
    """

    def __init__(self, errcode: int, reason: str = "") -> None:
        super().__init__(f"errcode {errcode} {reason}".rstrip())
        self.errcode = errcode


class Uncertain(QunguanError):
    """A write may or may not have happened (time-out, reset); ask before repeating."""


class NotOurs(QunguanError):
    """Not a genuine message for this corp: bad signature, key or receiver."""


class Invalid(QunguanError):
    """The input breaks the protocol or the rules; says where and how to mend it."""
