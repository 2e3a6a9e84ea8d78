"""The sample branch: made-up people who talk, join, ask, refuse, and the staff who serve them.

``load_town`` reads it, ``populate`` puts it into a World, ``core_files`` writes what the bank's
core system would export, ``Story`` plays the demo's day and ``Staffers`` work at the phones.
"""

from bot.sandbox.town.people import Town, load_town
from bot.sandbox.town.staffers import Staffers
from bot.sandbox.town.stage import Stage, populate
from bot.sandbox.town.statements import core_files
from bot.sandbox.town.story import Story

__all__ = ["Staffers", "Stage", "Story", "Town", "core_files", "load_town", "populate"]
