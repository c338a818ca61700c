"""Keeps the code readable: sizes, names, and a written reason for every silenced check."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.code import PACKAGES, ROOT, comments, python_files, source
from tests.architecture.limits import LIMITS, measurements, module_words, nesting

EXCEPTIONS = ROOT / "tests" / "architecture" / "exceptions.toml"
# Names that say nothing about what is inside, so that everything ends up there.
EMPTY_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "base",
    "impl",
    "misc",
    "stuff",
}
_REASON = r"\s*(?:#|-|\()\s*\S.{7,}"
_TYPE_IGNORE = re.compile(rf"#\s*type:\s*ignore\[[a-z0-9, -]+\]{_REASON}")
_NOQA = re.compile(rf"#\s*noqa:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*{_REASON}")
_COVERED_BY_NOQA = re.compile(r"#\s*ruff:\s*noqa|#\s*mypy:|#\s*flake8:", re.IGNORECASE)


def above_limit() -> dict[str, int]:
    return {f"{kind} {where}": value for kind, where, value in measurements() if value > LIMITS[kind]}


def excused() -> dict[str, str]:
    reasons: dict[str, str] = tomllib.loads(EXCEPTIONS.read_text())
    return reasons


def test_nothing_exceeds_its_size_limit_without_a_listed_reason() -> None:
    unexcused = {what: value for what, value in above_limit().items() if what not in excused()}
    assert not unexcused, f"limits are {LIMITS}; above them: {unexcused}"


def test_the_exception_list_holds_only_what_still_needs_it_and_says_why() -> None:
    stale = excused().keys() - above_limit().keys()
    assert not stale, f"no longer above a limit, remove from {EXCEPTIONS.name}: {sorted(stale)}"
    assert all(len(reason) > 20 for reason in excused().values())


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("x = 1", 0),
        ("if a:\n  x\nelif b:\n  x\nelse:\n  x", 1),
        ("for a in b:\n  if a:\n    with a:\n      x", 3),
        ("try:\n  x\nexcept E:\n  while a:\n    x", 2),
        ("match a:\n  case 1:\n    if a:\n      x", 2),
        ("def f():\n  if a:\n    if b:\n      x", 0),
    ],
)
def test_nesting_is_counted_as_a_reader_would(body: str, depth: int) -> None:
    assert nesting(ast.parse(body).body) == depth


def test_module_names_say_what_is_inside() -> None:
    empty = [str(path) for path in python_files() if module_words(path) & EMPTY_NAMES]
    assert not empty


def unexplained(path: Path) -> Iterator[str]:
    for line, comment in comments(path):
        silenced = ("type: ignore" in comment and not _TYPE_IGNORE.search(comment)) or (
            re.search(r"#\s*noqa", comment) and not _NOQA.search(comment)
        )
        if silenced or _COVERED_BY_NOQA.search(comment):
            yield f"{path}:{line} {comment}"


def test_every_silenced_check_names_its_code_and_its_reason() -> None:
    """`# type: ignore[code]  # reason` and `# noqa: CODE  # reason`; whole files are never silenced."""
    found = [entry for path in python_files() for entry in unexplained(path)]
    assert not found, "\n".join(found)


def test_every_ignored_rule_and_warning_in_the_configuration_has_a_reason() -> None:
    text = source(Path("pyproject.toml"))
    rules = re.findall(r'^ {4}"[A-Z]+[0-9]*",.*$', text.split("ignore = [", 1)[1], re.MULTILINE)
    warnings = re.findall(r'^ {4}["\']ignore:.*$', text, re.MULTILINE)
    assert rules
    assert not [line for line in (*rules, *warnings) if not re.search(r'["\'],\s+# \S.{7,}', line)]


def test_every_package_is_typed_and_every_package_folder_says_what_it_is() -> None:
    assert not [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()]
    folders = {path.parent for path in python_files() if path.parts[0] in PACKAGES}
    assert not [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
