"""Settings and policy of a gateway under test, written as the files an operator would write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "key-that-opens-nothing"}


def write_settings(
    folder: Path,
    targets: Iterable[Mapping[str, Any]],
    policy: Mapping[str, Any],
    **sections: Mapping[str, Any],
) -> Path:
    """`tierwise.toml` and `policy.json` in `folder`; returns the former, for `--config`."""
    (folder / "policy.json").write_text(json.dumps(policy))
    lines = ["[policy]", 'file = "policy.json"']
    for name, values in sections.items():
        lines += [f"[{name}]", *_lines(values)]
    for target in targets:
        lines += ["[[targets]]", *_lines(target)]
    file = folder / "tierwise.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def _lines(values: Mapping[str, Any]) -> list[str]:
    """Texts, numbers, switches and lists look the same in TOML as in JSON; tables become inline tables."""
    return [f"{key} = {_inline(value)}" for key, value in values.items()]


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }"
    return json.dumps(value)
