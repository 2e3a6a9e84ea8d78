"""Pages out of Jinja2: every value is escaped, a missing one is an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.clock import today
from bot.web import wording
from bot.web.services import Services
from handlers.rules import SegmentRule
from handlers.states import StateRule

STATIC = Path(__file__).parent / "static"


class Missing(Exception):
    """No such page for this viewer: what is not there and what may not be seen look the same."""


class Pages:
    """The templates of ``templates/console``.

    Every template may use what ``globals`` gets here: names for slugs, words for moments, days
    and sums, addresses of our own files.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        versions = {file.name: _version(file) for file in STATIC.iterdir() if file.is_file()}
        self._environment = Environment(
            loader=FileSystemLoader(services.templates_dir / "console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "label": services.rules.label,
            "segment": lambda name: _called(name, services.rules.segments),
            "state": lambda name: _called(name, services.rules.standing.states),
            "rule_trouble": services.rule_trouble,
            "when": lambda at: wording.when(at, services.clock.now()),
            "clock": wording.time_of_day,
            "day_of": wording.day_of,
            "day": lambda on: wording.span_words(on, on, today(services.clock)),
            "yuan": wording.yuan,
            "step_words": wording.step_words,
            "asset": lambda name: f"/static/{name}?v={versions[name]}",
        }

    def text(self, template: str, **values: Any) -> str:
        """A piece of a page."""
        return self._environment.get_template(template).render(**values)

    def bare(self, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
        """A page for somebody who is not signed in."""
        return HTMLResponse(self.text(template, **values), code)

    def page(
        self, template: str, person: Any, *, here: str = "", code: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page of the console; ``here`` is the entry of the menu that it belongs to."""
        return HTMLResponse(
            self.text(template, person=person, here=here, **values),
            code,
            {"cache-control": "no-store"},
        )


def _called(name: str, rules: Iterable[SegmentRule | StateRule]) -> str:
    """How a rule is called on screen; one that is gone shows its slug."""
    return next((rule.label for rule in rules if rule.name == name), name)


def _version(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
