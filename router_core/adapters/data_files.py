"""Reads the dated data files and describes a configured target with them.

Prices, limits and priors change without the code, so they are data with a date and a source, and every one of them
gives way to what an operator wrote. A target that the data does not know gets its tier's cautious defaults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.inference import TASKS, TIERS
from router_core.record import dataclass
from router_core.resources import TargetSpec

PACKAGED: Final = Path(__file__).parents[1] / "data"
MAX_BYTES: Final = 4 * 1024 * 1024
EVERYWHERE: Final = ("*",)
TEXT_TASKS: Final = tuple(task for task in TASKS if task != "embed")
_TIER_OF_KIND: Final = {"onnx": "device", "openai": "mec", "bedrock": "cloud", "sagemaker": "cloud"}
_PROTOCOL: Final[Mapping[str, Mapping[str, bool]]] = {
    kind: {"logprobs": False, "many_choices": False} for kind in ("onnx", "bedrock")
}
"""What a kind's protocol has no way to ask for."""
_GEOGRAPHY: Final = re.compile(r"^(us-gov|us|eu|apac|global|ca|jp|au|sa|mx|il|me|af)\.(?=[a-z0-9]+\.)")
_PROFILE: Final[Mapping[str, tuple[str, ...]]] = {
    "us": ("us", "north-america"), "us-gov": ("us", "north-america"), "ca": ("ca", "north-america"), "mx": ("mx",),
    "eu": ("eu", "eea", "europe"), "apac": ("apac",), "jp": ("jp", "apac"), "au": ("au", "apac"), "sa": ("latam",),
    "il": ("il", "middle-east"), "me": ("middle-east",), "af": ("africa",), "global": (),
}  # fmt: skip
"""What every region has in common to which an inference profile of that geography may send a request."""
_OPAQUE_PROFILE: Final = ":application-inference-profile/"
_SPEC_FACTS: Final = (
    "modalities", "dimensions", "tools", "json_output", "continues", "context_tokens", "max_output_tokens", "price_in", "price_out",
    "tasks",
)  # fmt: skip
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedData:
    """Both files, checked: models by normalised prefix, tier defaults, and groups by region and country."""

    models_date: str
    regions_date: str
    models: tuple[Mapping[str, Any], ...]
    tiers: Mapping[str, Mapping[str, Any]]
    regions: Mapping[str, str]
    countries: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTarget:
    """A target as an operator declared it; `given` holds the `TargetSpec` fields that were written down."""

    name: str
    kind: str
    model: str
    tier: str | None = None
    region: str | None = None
    emulated: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)


def load_data(models: Path | None = None, regions: Path | None = None) -> DatedData:
    """Read both files; None is the packaged one. Raises `ConfigurationError` naming the file and the key."""
    model_file, region_file = models or PACKAGED / "models.json", regions or PACKAGED / "regions.json"
    model_document, region_document = _document(model_file), _document(region_file)
    try:
        return DatedData(
            models_date=model_document["date"],
            regions_date=region_document["date"],
            models=tuple(_model(entry) for entry in model_document["models"]),
            tiers={tier: dict(model_document["tiers"][tier]) for tier in TIERS},
            regions=dict(region_document["regions"]),
            countries={code: tuple(groups) for code, groups in region_document["countries"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"data: {model_file.name} or {region_file.name} lacks or misplaces {error}"
        ) from error


def _document(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
        document = json.loads(content) if len(content) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"data: {file} cannot be read as JSON") from error
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise ConfigurationError(f"data: {file} is not a data file of schema 1")
    if not _DATE.fullmatch(str(document.get("date"))) or not document.get("source"):
        raise ConfigurationError(f"data: {file} must name its date (YYYY-MM-DD) and its source")
    return document


def _model(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("name", "match", "kinds", "source", "price_in", "price_out", "context_tokens", "estimates"):
        if key not in entry:
            raise KeyError(f"{key} of model {entry.get('name')}")
    for key in ("price_in", "price_out", "context_tokens"):
        if not isinstance(entry[key], int | float) or entry[key] < 0:
            raise ValueError(f"{key} of model {entry['name']}")
    return entry


def normalised(model: str) -> str:
    """A model id without what does not change the model: folder or ARN, geography prefix, case, underscores."""
    bare = model.rpartition("/")[2].lower().replace("_", "-")
    return _GEOGRAPHY.sub("", bare)


def find_model(data: DatedData, model: str, kind: str) -> Mapping[str, Any] | None:
    """The entry whose name is the model, else the one with the longest matching prefix, else None. A SageMaker endpoint
    serves what an OpenAI-compatible server serves."""
    wanted = normalised(model)
    kind = "openai" if kind == "sagemaker" else kind
    best: tuple[int, Mapping[str, Any] | None] = (0, None)
    for entry in data.models:
        if kind not in entry["kinds"]:
            continue
        if wanted == normalised(entry["name"]):
            return entry
        length = max((len(prefix) for prefix in entry["match"] if _starts(wanted, prefix)), default=0)
        best = max(best, (length, entry), key=lambda found: found[0])
    return best[1]


def _starts(model: str, prefix: str) -> bool:
    """Whether the prefix ends where a part of the name ends: `qwen2.5-1.5b` is no `qwen2.5-1`."""
    return model.startswith(prefix) and (len(model) == len(prefix) or not model[len(prefix)].isalnum())


def groups_of(data: DatedData, region: str | None) -> tuple[str, ...]:
    """Residency groups of an AWS region or an ISO country, the country's own code included; none when unknown."""
    if region is None:
        return ()
    country = data.regions.get(region.lower(), region.upper())
    if country not in data.countries:
        return ()
    return tuple(sorted({*data.countries[country], country.lower()}))


def tier_of(declared: DeclaredTarget) -> str:
    """The tier as declared, else by the name's prefix, else by the kind."""
    prefix = declared.name.partition("/")[0]
    return declared.tier or (prefix if prefix in TIERS else _TIER_OF_KIND[declared.kind])


def target_spec(declared: DeclaredTarget, data: DatedData, server_region: str | None) -> TargetSpec:
    """The full description: what the operator wrote, else the model's data, else the tier's defaults."""
    tier = tier_of(declared)
    entry = find_model(data, declared.model, declared.kind) or {}
    values = {**data.tiers[tier], **_PROTOCOL.get(declared.kind, {}), **_facts(entry), **declared.given}
    values["quality"] = {**entry.get("estimates", {}).get("quality", {}), **declared.given.get("quality", {})}
    return TargetSpec(
        name=declared.name,
        tier=tier,
        kind=declared.kind,
        model=declared.model,
        region=declared.region,
        groups=_groups(declared, data, server_region),
        emulated=declared.emulated,
        **values,
    )


def notes(declared: DeclaredTarget, data: DatedData) -> tuple[str, ...]:
    """What an operator should know about a target: data that is missing and what stands in for it."""
    said: list[str] = []
    entry = find_model(data, declared.model, declared.kind)
    if entry is None:
        said.append(f"{declared.name}: no data about model {declared.model}; its tier's defaults are used")
    priced = "price_in" in declared.given and "price_out" in declared.given
    billed = entry is not None and (entry["price_in"] or entry["price_out"])
    if tier_of(declared) == "cloud" and not priced and not billed:
        said.append(f"{declared.name}: no price known; counted as free until price_in and price_out are set")
    if declared.kind != "onnx" and not _within_profile(declared.model, groups_of(data, declared.region)):
        said.append(f"{declared.name}: no known region; requests with a residency never go there")
    return tuple(said)


def _facts(entry: Mapping[str, Any]) -> dict[str, Any]:
    facts = {key: entry[key] for key in _SPEC_FACTS if key in entry}
    facts.update(entry.get("estimates", {}))
    return {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}


def _groups(declared: DeclaredTarget, data: DatedData, server_region: str | None) -> tuple[str, ...]:
    if declared.kind == "onnx":
        place = declared.region or server_region
        return groups_of(data, place) if place else EVERYWHERE
    return _within_profile(declared.model, groups_of(data, declared.region))


def _within_profile(model: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """A cross-region inference profile answers from any region of its geography, so only what all of them share
    holds for it; of a profile whose ARN tells no geography nothing is known.

    Source: Amazon Bedrock User Guide, "Increase throughput with cross-Region inference"."""
    if _OPAQUE_PROFILE in model:
        return ()
    named = _GEOGRAPHY.match(model.rpartition("/")[2].lower())
    if named is None:
        return groups
    return tuple(group for group in groups if group in _PROFILE[named[1]])
