"""The service's own description, as botocore ships it: what tests measure our translation by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator


@cache
def service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def members(shape: str) -> set[str]:
    """Member names of a structure."""
    return set(service().shape_for(shape).members)  # type: ignore[attr-defined]  # a StructureShape, by its name


def values(shape: str) -> set[str]:
    """Values of an enumeration."""
    return set(service().shape_for(shape).enum)  # type: ignore[attr-defined]  # a StringShape, by its name


def problems(body: Mapping[str, Any], operation: str = "Converse") -> str:
    """What botocore has to say against a request body; empty when nothing."""
    shape = service().operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate({**body, "modelId": "m"}, shape)
    return str(report.generate_report())
