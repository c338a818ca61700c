"""Measures what the size limits speak of. The limits keep a file on a screen or three and a function in one's head."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.code import (
    FUNCTIONS,
    Function,
    functions,
    module_name,
    python_files,
    source,
    tree,
)

LIMITS = {
    "file lines": 300,
    "test file lines": 400,
    "function lines": 50,
    "parameters": 6,
    "nesting": 3,
    "protocol methods": 3,
    "folder files": 25,
}
_NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def measurements() -> Iterator[tuple[str, str, int]]:
    """Kind of limit, what was measured (a path, with `::name` inside a file) and the measured value."""
    for path in python_files():
        kind = "test file lines" if path.parts[0] == "tests" else "file lines"
        yield kind, str(path), len(source(path).splitlines())
        for name, function in functions(path):
            where = f"{path}::{name}"
            yield "function lines", where, _lines(function)
            yield "parameters", where, _parameters(function)
            yield "nesting", where, nesting(function.body)
        for class_ in ast.walk(tree(path)):
            if isinstance(class_, ast.ClassDef) and _is_protocol(class_):
                yield "protocol methods", f"{path}::{class_.name}", _methods(class_)
    for folder, count in Counter(path.parent for path in python_files()).items():
        yield "folder files", str(folder), count


def nesting(body: list[ast.stmt]) -> int:
    """How deep statements stand inside one another; `elif` is no deeper than its `if`, inner functions start anew."""
    return max((_depth(statement) for statement in body), default=0)


def _depth(statement: ast.stmt) -> int:
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        return 0
    inner = max((nesting(block) for block in _blocks(statement)), default=0)
    if (
        isinstance(statement, ast.If)
        and len(statement.orelse) == 1
        and isinstance(statement.orelse[0], ast.If)
    ):
        return max(1 + nesting(statement.body), _depth(statement.orelse[0]))
    return inner + isinstance(statement, _NESTS)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield part.body


def _lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _parameters(function: Function) -> int:
    named = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"]))


def _is_protocol(class_: ast.ClassDef) -> bool:
    return any(
        ast.unparse(parent).split("[")[0] in ("Protocol", "typing.Protocol") for parent in class_.bases
    )


def _methods(class_: ast.ClassDef) -> int:
    return sum(isinstance(member, FUNCTIONS) for member in class_.body)


def module_words(path: Path) -> set[str]:
    """The words a module's own name is made of."""
    return set(module_name(path).split(".")[-1].strip("_").split("_"))
