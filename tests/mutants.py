"""The gate with one thing wrong at a time; a test suite that is worth something notices each.

    python mutants.py <how many, or all>

Prints what was survived, a line each, and then how many were tried.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import sys
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
GATE = ROOT / "scheduler" / "gate.py"
SUITE = ROOT / "tests" / "unit" / "test_gate.py"
_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Place:
    """One node of the tree and how to spoil it; ``spoil`` works on a copy of the whole tree."""

    def __init__(self, path: tuple[tuple[str, int | None], ...], change: str, about: str) -> None:
        self.path, self.change, self.about = path, change, about

    def spoil(self, tree: ast.Module) -> ast.Module:
        wrong = copy.deepcopy(tree)
        holder: ast.AST = wrong
        for name, index in self.path[:-1]:
            value = getattr(holder, name)
            holder = value if index is None else value[index]
        name, index = self.path[-1]
        if index is None:
            setattr(holder, name, _spoilt(getattr(holder, name), self.change))
        else:
            rows = getattr(holder, name)
            if self.change == "gone":
                del rows[index]
            else:
                rows[index] = _spoilt(rows[index], self.change)
        return ast.fix_missing_locations(wrong)


def places(tree: ast.Module) -> Iterator[Place]:
    """Everything that can be wrong in functions, and in the order of the rules."""
    for number, node in enumerate(tree.body):
        if isinstance(node, ast.ClassDef):
            for inner, method in enumerate(node.body):
                if isinstance(method, ast.FunctionDef):
                    yield from _inside(method, (("body", number), ("body", inner)))
        elif isinstance(node, ast.FunctionDef):
            yield from _inside(node, (("body", number),))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Tuple):
            for index, rule in enumerate(node.value.elts):
                path = (("body", number), ("value", None), ("elts", index))
                yield Place(path, "gone", f"without {ast.unparse(rule)}")


def _inside(function: ast.FunctionDef, path: tuple[tuple[str, int | None], ...]) -> Iterator[Place]:
    for index, line in enumerate(function.body):
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)):
            yield from _walk(line, (*path, ("body", index)), function.name)


def _walk(node: ast.AST, path: tuple[tuple[str, int | None], ...], where: str) -> Iterator[Place]:
    if isinstance(node, ast.Assert):
        return  # for the type checker
    for change in _changes(node):
        yield Place(
            path, change, f"{where}:{getattr(node, 'lineno', 0)} {change} {ast.unparse(node)}"
        )
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        if isinstance(value, ast.AST):
            yield from _walk(value, (*path, (name, None)), where)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _walk(each, (*path, (name, index)), where)


def _changes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare():
            yield "other side"
        case ast.BoolOp():
            yield "and for or"
            yield from (f"part {index}" for index in range(len(node.values)))
        case ast.UnaryOp(op=ast.Not()):
            yield "not not"
        case ast.If() | ast.IfExp():
            yield "always"
            yield "never"
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield "nothing"
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            yield "plus for minus"
        case ast.Set():
            yield from (f"part {index}" for index in range(len(node.elts)))
        case ast.Attribute(attr="HOLD" | "DROP" | "SEND"):
            yield "other answer"
        case ast.Constant(value=int() | str()) if not isinstance(node.value, bool):
            yield "other value"


def _spoilt(node: ast.expr, change: str) -> ast.AST:  # noqa: C901  # a line a change
    word, _, number = change.partition(" ")
    match node:
        case ast.Compare():
            node.ops = [_SWAPS[type(each)]() for each in node.ops]
        case ast.BoolOp() if word == "part":
            return node.values[1 - int(number)] if len(node.values) == 2 else _less(node, number)
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            return node.operand
        case ast.If() | ast.IfExp():
            node.test = ast.Constant(change == "always")
        case ast.Return():
            node.value = ast.Constant(None)
        case ast.BinOp():
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        case ast.Set():
            del node.elts[int(number)]
        case ast.Attribute():
            node.attr = {"HOLD": "DROP", "DROP": "HOLD", "SEND": "HOLD"}[node.attr]
        case ast.Constant():
            node.value = f"{node.value}x" if isinstance(node.value, str) else node.value + 1
    return node


def _less(node: ast.BoolOp, number: str) -> ast.AST:
    del node.values[int(number)]
    return node


def survives(tree: ast.Module) -> bool:
    """Whether the suite finds nothing wrong; asked in a process of its own, which costs a fork."""
    child = os.fork()
    if child == 0:
        module = types.ModuleType("scheduler.gate")
        sys.modules["scheduler.gate"] = module
        code = 1
        try:
            exec(compile(tree, str(GATE), "exec"), module.__dict__)  # the gate itself
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = int(
                pytest.main([str(SUITE), "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"])
            )
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(how_many: str) -> None:
    tree = ast.parse(GATE.read_text(encoding="utf-8"))
    found = list(places(tree))
    if how_many != "all":
        found = random.Random(20261124).sample(found, int(how_many))
    for place in found:
        if survives(place.spoil(tree)):
            sys.stdout.write(f"{place.about}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(found)}\n")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]
    import pytest

    import scheduler.approval
    import scheduler.thresholds  # noqa: F401  # loaded once, for all children

    main(sys.argv[1])
