"""What is not there, or not for this viewer: both look the same."""

from __future__ import annotations


class Missing(Exception):
    """There is no such page for this viewer."""
