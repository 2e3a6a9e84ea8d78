"""D1: nothing is kept, read, imported or shown that has no class."""

from __future__ import annotations

import pydantic
from backends import all_tables, is_postgres

from bot.facts import FactType
from bot.importing.tables import TABLES
from bot.store.catalogue import Secrecy, catalogue, facts, imports, interface, strictest
from bot.store.db import Database, Db
from bot.store.held import copied_tables, names_of_others, rows_of
from bot.web import answers


def columns(db: Db) -> dict[str, set[str]]:
    """Every column of every table, as the database itself tells."""
    found = {}
    for (table,) in (tuple(row)[:1] for row in db.rows(all_tables(db))):
        if is_postgres(db):
            rows = db.rows(
                "SELECT column_name AS name FROM information_schema.columns"
                " WHERE table_name = :table AND table_schema = 'public'",
                table=table,
            )
        else:
            rows = db.rows(f"SELECT name FROM pragma_table_info('{table}')")
        found[table] = {row["name"] for row in rows}
    return found


def test_D1_every_column_has_a_class_and_no_other(store: Database) -> None:
    told = {name: set(table.fields) for name, table in catalogue().items()}
    assert columns(store.read()) == told


def test_D1_every_type_of_fact_has_a_class() -> None:
    assert {str(each) for each in FactType} == set(facts())


def test_D1_every_column_of_a_file_has_a_class() -> None:
    real = {kind: {each.name for each in table.columns} for kind, table in TABLES.items()}
    assert real == {kind: set(told) for kind, told in imports().items()}


def test_D1_every_field_of_the_interface_has_a_class() -> None:
    models = [
        each
        for each in vars(answers).values()
        if isinstance(each, type) and issubclass(each, pydantic.BaseModel)
    ]
    assert {name for model in models for name in model.model_fields} == set(interface())


def test_D1_a_combination_has_the_class_of_its_strictest_field() -> None:
    customer, event = catalogue()["customer"].fields, catalogue()["event"].fields
    assert Secrecy(1, 1) == strictest([event["name"], event["place"]])
    assert Secrecy(2, 3) == strictest([event["name"], customer["name"]])
    assert Secrecy(1, 4) < Secrecy(2, 3) < Secrecy(3, 1)


def test_D1_what_tells_of_a_customer_is_never_less_than_c2() -> None:
    low = [
        f"{table.name}.{each.name}"
        for table in catalogue().values()
        for each in table.fields.values()
        if each.secrecy.number < 2
        and (each.name.endswith("text_sealed") or each.name == "external_userid" or each.label)
    ]
    assert [] == low


def test_D2_nothing_of_class_c3_has_a_place() -> None:
    every = [*facts().values(), *interface().values()]
    every += [each for table in catalogue().values() for each in table.fields.values()]
    every += [each for told in imports().values() for each in told.values()]
    assert [] == [each.name for each in every if each.secrecy.number == 3]


def test_D6_every_table_of_a_copy_can_be_asked(store: Database) -> None:
    assert [] == [each for table in copied_tables() for each in rows_of(store.read(), table, "wm")]
    assert set() == names_of_others(store.read(), "wm")


def test_D6_every_table_is_in_a_copy_or_says_why_not() -> None:
    silent = [
        name
        for name, table in catalogue().items()
        if bool(table.heading) == bool(table.left_out) or bool(table.heading) != bool(table.copied)
    ]
    assert [] == silent
