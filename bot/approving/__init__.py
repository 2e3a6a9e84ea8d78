"""Writing, approving, starting and stopping campaigns: every step by a named person, audited.

Two people at least: whoever wrote or submitted words never approves them. A version is never
changed once saved; what replaces it is saved anew and approved anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.approving.deciding import Deciding
from bot.approving.drafting import Drafting
from bot.approving.starting import Starting


@dataclass(frozen=True)
class Approving(Drafting, Deciding, Starting):
    """Every act of people upon campaigns."""
