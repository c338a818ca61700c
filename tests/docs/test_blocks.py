"""Proves that the document runner finds what is marked, runs what is written and notices what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import blocks, commands, first_missing

DOCUMENT = """text
<!-- run -->
```python
print(1)
```
```bash
ls
```
````markdown
<!-- run -->
```python
not a block of this document
```
````
"""


def test_only_marked_blocks_are_run_and_quoted_fences_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(DOCUMENT)
    found = [(b.line, b.language, b.marked) for b in blocks(tmp_path / "a.md", "a.md")]
    assert found == [(3, "python", True), (6, "bash", False), (9, "markdown", False)]


def test_a_console_block_is_commands_with_the_output_shown_under_each() -> None:
    found = commands("$ echo a \\\n  b\na\nb\n\n$ true\n")
    assert [(c.text, c.shown) for c in found] == [("echo a \\\n  b", ("a", "b")), ("true", ())]


@pytest.mark.parametrize(
    ("shown", "output", "missing"),
    [
        (("a", "b"), "x a\nb", None),
        (("b", "a"), "a\nb\n", "a"),
        (("id ... done",), "id 17 is done", None),
        (("id ... done",), "id 17\nis done", "id ... done"),
    ],
)
def test_shown_output_must_appear_in_order(shown: tuple[str, ...], output: str, missing: str | None) -> None:
    assert first_missing(shown, output) == missing
