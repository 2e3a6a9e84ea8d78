"""Nobody's friend who writes to customer service still gets somebody, on every back end."""

from collections.abc import Sequence

import pytest

from bot.store import duty
from bot.store.db import Database, Db

STAFF = {
    "head_east": ("东山支行", "head", 1),
    "head_west": ("西山支行", "head", 1),
    "head_left": ("南山支行", "head", 0),
    "city": ("市分行", "city", 1),
    "admin": ("市分行", "admin", 1),
    "teller": ("东山支行", "owner", 1),
}


@pytest.mark.parametrize(
    ("hired", "branch", "expected"),
    [
        (list(STAFF), "西山支行", "head_west"),
        (list(STAFF), "", "city"),
        (list(STAFF), "南山支行", "city"),
        (["head_east", "admin", "teller"], "", "head_east"),
        (["admin", "teller"], "", "admin"),
        (["teller", "head_left"], "", None),
    ],
)
def test_what_has_no_owner_goes_to_whoever_is_in_charge(
    store: Database, hired: Sequence[str], branch: str, expected: str | None
) -> None:
    def keep(db: Db) -> None:
        for userid in hired:
            where, role, active = STAFF[userid]
            db.run(
                "INSERT INTO staff (userid, name, branch, role, active)"
                " VALUES (:userid, :userid, :branch, :role, :active)",
                userid=userid,
                branch=where,
                role=role,
                active=active,
            )

    store.write(keep)
    assert expected == duty.in_charge(store.read(), branch)
