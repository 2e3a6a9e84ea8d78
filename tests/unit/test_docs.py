"""The documents say what the program does: an undocumented name, or a dead one, fails the build."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi import FastAPI

from bot.__main__ import app
from bot.actions import Change, Errand
from bot.errors import Invalid
from bot.facts import FactType, Speech
from bot.importing.tables import TABLES
from bot.schema import SCHEMA
from bot.web.api import router
from config.settings import Settings
from handlers.reading import Reader
from handlers.reading.examples import mistakes
from handlers.reading.offline import read_lines
from handlers.rules import load_segments
from scheduler.campaigns import load_campaigns
from scheduler.gate import _RULES
from scheduler.praise import BASES
from scheduler.thresholds import KINDS

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh.md")
CONNECTS = ("docs/connect.md", "docs/connect.zh.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "docs/adr/*.md")
    for path in ROOT.glob(pattern)
)
SETTINGS, COMMANDS, HTTP, IMPORTS = range(4)
HEADS: dict[str, tuple[str, ...]] = {
    "README.md": ("Settings", "Commands", "HTTP", "Import tables"),
    "README.zh.md": ("设置", "命令", "HTTP", "导入表"),
}
"""The sections with tables, in the order of the names above."""
# Programs that a shell block may call besides our own; each is on the machine it is meant for.
OTHERS = {"echo", "mkdir", "openssl", "sqlite3", ".venv/bin/python"}
_FENCE = re.compile(r"^ *```(?P<kind>\w*)\n(?P<body>.*?)^ *```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?P<level>#+) (?P<title>.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\((?P<to>[^)\s]+)\)")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(document: str) -> str:
    return _FENCE.sub("", text_of(document))


def blocks(document: str, kind: str) -> list[str]:
    found = _FENCE.finditer(text_of(document))
    return [
        "\n".join(line.strip() if kind == "sh" else line for line in each["body"].splitlines())
        for each in found
        if each["kind"] == kind
    ]


def section(document: str, title: str) -> str:
    text = prose_of(document)
    _, found, rest = text.partition(f"\n## {title}\n")
    assert found, f"{document} has no section {title}"
    return rest.partition("\n## ")[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row that names something in its first cell."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and "`" in cells[0]:
            yield cells


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def first_codes(text: str) -> list[str]:
    return [code for cells in rows(text) for code in codes(cells[0])]


def documented(path: str) -> set[str]:
    return set(codes(prose_of(path)))


def commands() -> dict[str, Any]:
    """Every command by what one types after ``qunguan``; a group's by both words."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
        inner = getattr(command, "commands", None)
        found |= {f"{name} {each}": inner[each] for each in inner} if inner else {name: command}
    return found


def options(command: Any) -> set[str]:
    return {opt for param in command.params for opt in param.opts if opt.startswith("--")}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))


# -- settings


@pytest.mark.parametrize("readme", READMES)
def test_every_setting_is_documented_and_no_other(readme: str) -> None:
    listed = first_codes(section(readme, HEADS[readme][SETTINGS]))
    assert [name.upper() for name in Settings.model_fields] == listed


@pytest.mark.parametrize("readme", READMES)
def test_the_documented_default_is_the_real_one(readme: str) -> None:
    told = {
        codes(cells[0])[0]: (codes(cells[1]) or [""])[0]
        for cells in rows(section(readme, HEADS[readme][SETTINGS]))
    }
    inside_the_program = {"QUNGUAN_CONFIG_DIR": "config", "QUNGUAN_TEMPLATES_DIR": "templates"}
    real = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        secret = hasattr(default, "get_secret_value")
        plain = default.get_secret_value() if secret else default
        real[name.upper()] = "" if plain is None else str(plain)
    assert real | inside_the_program == told
    assert set(inside_the_program.values()) == {
        Path(real[name]).name for name in inside_the_program
    }


# -- commands


@pytest.mark.parametrize("readme", READMES)
def test_every_command_is_documented_with_its_options(readme: str) -> None:
    listed = {
        codes(cells[0])[0].removeprefix("qunguan "): " ".join(codes(" ".join(cells[1:])))
        for cells in rows(section(readme, HEADS[readme][COMMANDS]))
    }
    assert set(commands()) == set(listed)
    real = {name: options(command) for name, command in commands().items()}
    assert real == {name: set(re.findall(r"--[a-z-]+", told)) for name, told in listed.items()}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_shell_blocks_call_what_exists(document: str) -> None:
    wrong = [
        line
        for block in blocks(document, "sh")
        for line in block.splitlines()
        if line
        and not line.startswith("#")
        and not all(_exists(part) for part in line.split(" | "))
    ]
    assert wrong == []


def _exists(line: str) -> bool:
    program, *words = shlex.split(line)
    if program == "make":
        return set(words) <= make_targets()
    if Path(program).name == "qunguan":
        known = commands().get(words[0]) or commands().get(" ".join(words[:2]))
        asked = {word for word in words[1:] if word.startswith("--")}
        return known is not None and asked <= options(known)
    return program in OTHERS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_programs_named_in_prose_exist(document: str) -> None:
    named = re.findall(r"`(?:\.venv/bin/)?qunguan ([a-z]+)", prose_of(document))
    assert set(named) - {name.split()[0] for name in commands()} == set()
    made = re.findall(r"`make ([a-z-]+)`", prose_of(document))
    assert set(made) - make_targets() == set()


@pytest.mark.parametrize("readme", READMES)
def test_the_reading_example_answers_as_shown(readme: str) -> None:
    asked = next(block for block in blocks(readme, "sh") if "qunguan read" in block)
    (line,) = re.findall(r"echo '(.+)' \|", asked)
    shown = [json.loads(block) for block in blocks(readme, "json")]
    errors: list[tuple[int, str]] = []
    answers = read_lines(
        StringIO(line + "\n"),
        Reader.load(ROOT / "config"),
        expressions=False,
        on_error=lambda number, reason: errors.append((number, reason)),
    )
    assert (shown, []) == ([json.loads(answer) for answer in answers], errors)


# -- the faces of the program


@pytest.mark.parametrize("readme", READMES)
def test_every_call_of_the_json_interface_is_documented(readme: str) -> None:
    site = FastAPI()
    site.include_router(router)
    paths = site.openapi()["paths"]
    described = {(method.upper(), path) for path, calls in paths.items() for method in calls}
    told = re.findall(r"`(GET|POST) (/api[^`]*)`", section(readme, HEADS[readme][HTTP]))
    assert described == set(told)


@pytest.mark.parametrize("readme", READMES)
def test_every_column_of_the_import_tables_is_documented(readme: str) -> None:
    told = {
        codes(cells[0])[0]: re.findall(r"[a-z]+(?:_[a-z]+)*", cells[2])
        for cells in rows(section(readme, HEADS[readme][IMPORTS]))
    }
    real = {kind: [column.name for column in table.columns] for kind, table in TABLES.items()}
    assert real == told


@pytest.mark.parametrize("connect", CONNECTS)
def test_every_line_of_check_is_explained(connect: str) -> None:
    source = text_of("bot/checking.py")
    lines = set(re.findall(r'Result\(\s*"([^"]+)"', source))
    lines |= set(re.findall(r'\(\s*"([^"]+)",\s*lambda', source))
    assert len(lines) >= 13
    explained = {
        line.split("|")[1].strip() for line in text_of(connect).splitlines() if "|" in line
    }
    assert lines - explained == set()


# -- what a branch may change


def test_every_condition_of_a_segment_is_documented(tmp_path: Path) -> None:
    wrong = tmp_path / "segments.yaml"
    wrong.write_text("a:\n  label: 甲\n  version: 1\n  tag: true\n  any:\n    none: 1\n", "utf-8")
    with pytest.raises(Invalid) as refused:
        load_segments(wrong)
    conditions = set(str(refused.value).rpartition(":")[2].split("、"))
    told = {code.partition(":")[0] for code in first_codes(section("docs/rules.md", "Segments"))}
    rules = yaml.safe_load(text_of("config/rules/segments.yaml")).values()
    assert conditions | {key for rule in rules for key in rule} | {"all"} == told


def test_every_kind_of_case_is_documented_and_whether_it_opens() -> None:
    told = {
        codes(cells[0])[0]: cells[2] == "yes" for cells in rows(section("docs/rules.md", "Cases"))
    }
    assert set(KINDS) == set(told)
    opened = set(yaml.safe_load(text_of("config/rules/escalation.yaml"))) | {"active"}
    assert opened == {kind for kind, opens in told.items() if opens}


@pytest.mark.parametrize("file", ["states.yaml", "ledger.yaml"])
def test_every_key_of_states_and_ledger_is_documented(file: str) -> None:
    told = {word for code in documented("docs/rules.md") for word in re.findall(r"[a-z_]+", code)}
    keys = set(_keys(yaml.safe_load(text_of(f"config/rules/{file}"))))
    assert keys - told == set()


def _keys(found: Any, *, names: bool = False) -> Iterator[str]:
    """Every key below; what stands under ``states``, ``fields`` and ``targets`` are names."""
    for key, value in found.items() if isinstance(found, dict) else ():
        if not names:
            yield key
        if key not in {"examples", "counter_examples"}:
            yield from _keys(value, names=key in {"states", "fields", "targets"})


def test_every_file_of_the_rules_is_documented() -> None:
    named = re.findall(r"config/rules/[a-z*-]+\.yaml", text_of("docs/rules.md"))
    there = set((ROOT / "config/rules").glob("*.yaml"))
    assert there == {path for name in named for path in ROOT.glob(name)}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(set(FactType), id="fact types"),
        pytest.param(set(yaml.safe_load(text_of("config/thresholds.yaml"))), id="thresholds"),
        pytest.param(set(yaml.safe_load(text_of("config/rules/tags.yaml"))), id="tags"),
        pytest.param(
            {
                key
                for name, found in yaml.safe_load(text_of("config/approvals.yaml")).items()
                for key in (name, *(found["service"] if name == "policies" else ()))
            },
            id="approvals",
        ),
        pytest.param(set(yaml.safe_load(text_of("config/holidays.yaml"))), id="holidays"),
        pytest.param(
            {
                key
                for found in (yaml.safe_load(text_of("config/praise.yaml")),)
                for keys in (found, *found["rules"])
                for key in keys
            }
            | set(BASES),
            id="praise",
        ),
        pytest.param(
            {
                key
                for file in (ROOT / "config/rules").glob("frames-*.yaml")
                for items in yaml.load(file.read_text("utf-8"), yaml.BaseLoader).values()
                for item in items
                for key in item
            },
            id="keys of frames and guards",
        ),
        pytest.param(
            {
                key
                for file in (ROOT / "templates/campaigns").glob("*.md")
                for key in yaml.safe_load(file.read_text("utf-8").split("---\n")[1])
            },
            id="keys of campaigns",
        ),
    ],
)
def test_every_key_that_a_branch_may_write_is_documented(names: set[str]) -> None:
    assert names - documented("docs/rules.md") == set()


def test_every_key_of_a_fact_is_documented() -> None:
    cells = rows(section("docs/rules.md", "Reading rules"))
    told = {codes(each[0])[0]: codes(each[1]) for each in cells}
    real = {kind.value: list(keys) for kind, keys in SCHEMA.items()}
    assert real == {kind: keys for kind, keys in told.items() if kind in real}


def test_every_rule_of_the_gate_is_documented_in_its_order() -> None:
    rules = [rule.__name__.partition("_")[0].upper() for rule in _RULES]
    table = section("docs/rules.md", "The gate").splitlines()
    told = [line.split("|")[1].strip() for line in table if re.match(r"\| [A-Z]\d+ ", line)]
    assert rules == told


def test_the_campaigns_named_are_those_that_there_are() -> None:
    there = {each.name for each in load_campaigns(ROOT / "templates/campaigns")}
    (named,) = re.findall(r"`templates/campaigns/\*\.md` \(([^)]+)\)", text_of("docs/rules.md"))
    assert there == set(named.split(", "))


def test_the_tests_that_the_faults_page_names_are_there() -> None:
    sources = {file.name: file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py")}
    whole = "\n".join(sources.values())
    named = [code for code in documented("docs/faults.md") if "test_" in code]
    files = {Path(each).name for each in named if each.endswith(".py")}
    tests = {each.rstrip("…") for each in named if not each.endswith(".py")}
    assert files - set(sources) - {"oracle_gate.py"} == set()
    assert {each for each in tests if f"def {each}" not in whole} == set()
    assert len(files) > 15
    assert len(tests) > 15


# -- the developers' page


def test_every_action_is_documented() -> None:
    told = first_codes(section("docs/developer.md", "Actions"))
    assert [kind.__name__ for kind in (*Change.__args__, *Errand.__args__)] == told


def test_every_runtime_dependency_has_its_reason() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    needed = [re.split(r"[<>=;\s]", each)[0] for each in project["dependencies"]]
    table = list(rows(section("docs/developer.md", "Dependencies")))
    assert needed == [codes(cells[0])[0] for cells in table]
    assert [cells[0] for cells in table if not all(cells) or len(cells) != 4] == []


def test_the_handler_of_the_developers_page_works() -> None:
    names: dict[str, Any] = {}
    for block in blocks("docs/developer.md", "python"):
        exec(block, names)  # our own page
    assert "call_for_referral" in names


def worked_examples() -> list[str]:
    """The changes of the rules page that say into which file they go."""
    return [each for each in blocks("docs/rules.md", "yaml") if each.startswith("# config/")]


@pytest.mark.parametrize("example", worked_examples(), ids=lambda each: each.split("\n")[1])
def test_a_change_of_the_rules_page_is_read_as_it_says(tmp_path: Path, example: str) -> None:
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    first, *lines, last = example.split("\n")
    file = tmp_path / first.removeprefix("# ")
    if file.exists():  # a line below a word class that is there
        place, line = lines
        text = file.read_text(encoding="utf-8")
        assert text.count(f"\n{place}\n") + text.startswith(f"{place}\n") == 1
        file.write_text(text.replace(f"{place}\n", f"{place}\n{line}\n", 1), encoding="utf-8")
    else:
        file.write_text("\n".join(lines), encoding="utf-8")
    said, _, told = last.removeprefix("# ").partition(" → ")
    kind, _, value = told.partition(" ")
    noon = datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert [(kind, yaml.safe_load(value))] == _read(config, said, noon)
    assert [] == list(mistakes(Reader.load(config)))


def _read(config: Path, text: str, at: datetime) -> list[tuple[str, dict[str, Any]]]:
    facts = Reader.load(config).read(Speech(text, at))
    return [(str(fact.type), fact.value) for fact in facts]


def test_a_hobby_a_crop_a_bank_and_a_frame_are_worked_examples() -> None:
    second = [each.split("\n")[1].partition(":")[0] for each in worked_examples()]
    assert ["hobby", "crop", "bank", "frames"] == second


def test_the_frame_of_the_rules_page_reads_its_examples(tmp_path: Path) -> None:
    (example,) = (each for each in blocks("docs/rules.md", "yaml") if each.startswith("frames:"))
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/rules/frames-zz-example.yaml").write_text(example, encoding="utf-8")
    reader = Reader.load(tmp_path / "config")
    (frame,) = yaml.safe_load(example)["frames"]
    noon = datetime(2026, 6, 1, 4, tzinfo=UTC)

    def types(text: str) -> set[FactType]:
        return {fact.type for fact in reader.read(Speech(text, noon))}

    assert [{FactType(frame["type"])}] * len(frame["examples"]) == [
        types(text) for text in frame["examples"]
    ]
    assert [set()] * len(frame["counter"]) == [types(text) for text in frame["counter"]]


# -- the documents among themselves


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    dead = []
    for link in _LINK.finditer(prose_of(document)):
        path, _, anchor = link["to"].partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link["to"])
    assert dead == []


def _anchors(file: Path) -> set[str]:
    titles = (each["title"] for each in _HEADING.finditer(_FENCE.sub("", file.read_text("utf-8"))))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(("english", "chinese"), [READMES, CONNECTS])
def test_both_languages_have_the_same_sections_and_commands(english: str, chinese: str) -> None:
    assert _outline(english) == _outline(chinese)
    assert blocks(english, "sh") == blocks(chinese, "sh")


def _outline(document: str) -> list[tuple[int, int]]:
    """For every section its level and how many table rows it has."""
    found = []
    text = prose_of(document)
    heads = list(_HEADING.finditer(text))
    ends = [each.start() for each in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        lines = text[head.end() : end].splitlines()
        found.append((len(head["level"]), sum(line.startswith("|") for line in lines)))
    return found


def test_decisions_are_numbered_and_whole() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [f"{number:04}" for number in range(1, len(records) + 1)] == [
        record.name[:4] for record in records
    ]
    needed = {"Context", "Decision", "Consequences", "Rejected"}
    lacking = {
        record.name: needed
        - {each["title"] for each in _HEADING.finditer(record.read_text("utf-8"))}
        for record in records
    }
    assert {name: missing for name, missing in lacking.items() if missing} == {}


def test_the_licence_is_the_whole_standard_text() -> None:
    licence = text_of("LICENSE")
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "APPENDIX: How to apply the Apache License to your work." in licence
