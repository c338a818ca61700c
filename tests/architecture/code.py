"""The repository as these tests see it: its Python files, their syntax trees and their comments."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("router_core", "agents", "edge_runtime", "gateway")
FOLDERS = (*PACKAGES, "infra", "benchmarks", "examples", "tests", "requirements", "deploy", "docs", ".ci")
SKIPPED = {"__pycache__", "node_modules", "cdk.out", ".venv"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository's folders and its top level, sorted, relative to the root."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [
            path for path in (ROOT / folder).rglob("*") if path.is_file() and not SKIPPED & set(path.parts)
        ]
    return tuple(sorted(path.relative_to(ROOT) for path in found))


@cache
def python_files() -> tuple[Path, ...]:
    return tuple(path for path in files() if path.suffix == ".py")


@cache
def source(path: Path) -> str:
    return (ROOT / path).read_text()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path), filename=str(path))


def module_name(path: Path) -> str:
    """`router_core/routing/choice.py` is `router_core.routing.choice`; a package's `__init__` is the package."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of each comment; strings that look like comments aren't."""
    for token in tokenize.generate_tokens(io.StringIO(source(path)).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Each function with its dotted name inside the module, methods and inner functions included."""
    yield from _functions(tree(path), "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            yield prefix + child.name, child
        inner = f"{prefix}{child.name}." if isinstance(child, (*FUNCTIONS, ast.ClassDef)) else prefix
        yield from _functions(child, inner)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of each import, those inside functions and TYPE_CHECKING included."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from a import b` may name the module a.b: rules match by prefix, so the longer name serves both.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
