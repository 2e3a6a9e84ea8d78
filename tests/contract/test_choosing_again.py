"""T6: every choice can be made again from what was kept, whatever became of people and rules."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
from random import Random

from branch_world import Branch
from test_campaign_planning import branch, enter, put, source

from bot.planning import choice_of
from bot.store.planning import arm_of
from scheduler.audience import chooses

__all__ = ["branch"]

SEGMENTS = ("merchant", "senior", "women")
KINDS = {
    "layer": ("middle", "high", "private"),
    "segment": SEGMENTS,
    "state": ("active", "dormant"),
    "contact_class": ("A", "B"),
    "branch": ("东山支行", "西山支行"),
    "tag": ("老客户", "茶友"),
}


def populate(branch: Branch, chance: Random) -> list[str]:
    """A dozen people of whom everything that a campaign may choose by is drawn."""
    people = [f"wm_{number}" for number in range(12)]
    for who in people:
        branch.meet(who, layer=chance.choice(KINDS["layer"]))
        for segment in chance.sample(SEGMENTS, chance.randint(0, 3)):
            enter(branch, who, segment)
        for state in chance.sample(KINDS["state"], chance.randint(0, 1)):
            put(branch, "INSERT INTO customer_state VALUES (:id, :s, 1)", id=who, s=state)
        tags = chance.sample(("t1", "t2"), chance.randint(0, 2))
        put(
            branch,
            "UPDATE follow SET tags = :tags WHERE external_userid = :id",
            tags=json.dumps(tags),
            id=who,
        )
        put(
            branch,
            "UPDATE customer SET contact_class = :c, branch = :b WHERE external_userid = :id",
            c=chance.choice(KINDS["contact_class"]),
            b=chance.choice(KINDS["branch"]),
            id=who,
        )
    return people


def some_names(chance: Random, most: int) -> str:
    kinds = chance.sample(sorted(KINDS), chance.randint(1, most))
    drawn = {kind: chance.sample(KINDS[kind], chance.randint(1, 2)) for kind in kinds}
    inner = ", ".join(f"{kind}: [{', '.join(names)}]" for kind, names in drawn.items())
    return "{" + inner + "}"


def turn_everything_over(branch: Branch) -> None:
    """Nothing of what the choices rested on is true any more, and the rules are others."""
    for sql in (
        "DELETE FROM segment_member",
        "DELETE FROM customer_state",
        "UPDATE follow SET tags = '[]'",
        "UPDATE corp_tag SET name = name || '旧'",
        "UPDATE customer SET layer = 'unknown', contact_class = 'D', branch = '北山支行'",
    ):
        put(branch, sql)


def test_T6_every_choice_can_be_made_again_from_what_was_kept_and_no_other(
    branch: Branch,
) -> None:
    chance = Random(20261124)  # the same drawing every time
    for tag, name in (("t1", "老客户"), ("t2", "茶友")):
        put(branch, "INSERT INTO corp_tag (tag_id, name) VALUES (:id, :name)", id=tag, name=name)
    people_here = populate(branch, chance)
    kept: dict[tuple[str, str], list[str]] = {}
    names = [f"try_{number}" for number in range(30)]
    for name in names:
        keys = {"audience": some_names(chance, 2), "exclude": some_names(chance, 2)}
        branch.campaign(source(name, **keys))
        choice = choice_of(branch.rules.campaigns[name])
        rows = branch.store.read().rows(
            f"SELECT c.external_userid AS who, {choice.inputs} AS words FROM customer c",
            **choice.values,
        )
        kept |= {(name, row["who"]): json.loads(row["words"]) for row in rows}
    branch.only(*names)
    branch.plan()
    turn_everything_over(branch)
    found = branch.store.read().rows(
        "SELECT p.campaign, p.external_userid AS who, p.inputs, s.rule"
        " FROM push p JOIN selection s ON s.id = p.selection_id"
    )
    chosen = {(row["campaign"], row["who"]): row for row in found}
    rules = {row["campaign"]: json.loads(row["rule"]) for row in found}
    assert len(rules) > 20
    assert 0 < len(chosen) < len(people_here) * len(rules)
    for row in chosen.values():
        assert chooses(json.loads(row["rule"]), json.loads(row["inputs"]))
    # What would have been kept of the others makes the other choice.
    again = {
        key for key, words in kept.items() if key[0] in rules and chooses(rules[key[0]], words)
    }
    assert set(chosen) == again


def test_T6_a_group_is_chosen_again_from_what_was_kept() -> None:
    words = ["segment merchant", "branch 东山支行"]
    rule = {"audience": {"segment": ["merchant"]}, "exclude": {"branch": ["西山支行"]}}
    assert chooses(rule, words)
    assert not chooses({"audience": {"segment": ["senior"]}}, words)
    assert not chooses(rule | {"exclude": {"branch": ["东山支行"]}}, words)
    assert chooses({"audience": "everyone"}, [])


def test_T6_the_rule_of_a_choice_stays_when_the_campaign_chooses_otherwise(branch: Branch) -> None:
    branch.meet("wm_a", layer="middle")
    branch.campaign(source("tea", audience="{layer: [middle]}"))
    branch.only("tea")
    branch.plan()
    branch.campaign(source("tea", audience="{layer: [high]}", version="2"))
    branch.only("tea")
    branch.plan()
    (row,) = branch.store.read().rows(
        "SELECT s.rule FROM push p JOIN selection s ON s.id = p.selection_id"
    )
    assert {"layer": ["middle"]} == json.loads(row["rule"])["audience"]


def test_T6_who_is_in_the_hold_out_is_drawn_again_from_what_was_kept(branch: Branch) -> None:
    for number in range(20):
        branch.meet(f"wm_{number}")
    branch.campaign(source("tea", holdout="30"))
    branch.only("tea")
    branch.plan()
    rows = branch.store.read().rows(
        "SELECT a.campaign, a.subject, a.arm, r.holdout FROM assignment a"
        " JOIN campaign_run r ON r.campaign = a.campaign"
    )
    assert 20 == len(rows)
    assert {"holdout", "treated"} == {row["arm"] for row in rows}
    assert all(
        row["arm"] == arm_of(row["campaign"], row["subject"], row["holdout"]) for row in rows
    )
