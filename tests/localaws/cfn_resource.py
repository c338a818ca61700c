"""Makes CloudFormation resource types for moto out of plain API calls, and records the types that nothing here imitates.

A type is one entry in `cfn_types`: which call creates it and what `Ref` and `Fn::GetAtt` give. Properties pass through
botocore's own description of the call, which drops what the call does not know and gives every value its type, because
templates write numbers and booleans as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.core.common_models import CloudFormationModel

from tests.localaws import address

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A created resource: what `Ref` gives, and what `Fn::GetAtt` gives by name."""

    ref: str
    attributes: Mapping[str, Any]


Create = Callable[[Properties, str], Made]
"""From the properties (with the name filled in) and the generated name."""


def as_shape(shape: Any, value: Any) -> Any:
    """`value` with the types of a botocore shape; members it does not have are dropped."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {k: as_shape(shape.members[k], v) for k, v in value.items() if k in shape.members}
    if kind == "list" and isinstance(value, list):
        return [as_shape(shape.member, one) for one in value]
    if kind == "map" and isinstance(value, dict):
        return {k: as_shape(shape.value, v) for k, v in value.items()}
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("double", "float"):
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string" and not isinstance(value, str):
        return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    return value


def api(service: str, operation: str, properties: Properties) -> Any:
    """Call `operation` with those properties it knows."""
    client = address.client(service)
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    return getattr(client, operation)(**as_shape(shape, properties))


def lower_first(properties: Properties) -> Properties:
    """API Gateway's calls write their parameters with a small first letter, its templates with a capital."""

    def lowered(value: Any) -> Any:
        if isinstance(value, dict):
            return {k[:1].lower() + k[1:]: lowered(v) for k, v in value.items()}
        return [lowered(one) for one in value] if isinstance(value, list) else value

    return {k[:1].lower() + k[1:]: lowered(v) for k, v in properties.items()}


RECORDED: Final[dict[str, int]] = {}
"""How many resources of each type are only recorded: the template was accepted, nothing behaves."""


def recorded(type_name: str) -> Create:
    """Keeps the name and gives an ARN of the usual form, so that what refers to the resource resolves."""

    def create(properties: Properties, name: str) -> Made:
        RECORDED[type_name] = RECORDED.get(type_name, 0) + 1
        return Made(ref=name, attributes={})

    return create


class ApiResource(CloudFormationModel):
    """One resource; every type is a subclass that names itself and how it is created."""

    TYPE = "Tierwise::Local::Resource"
    NAME_PROPERTY = ""
    CREATE: Create

    def __init__(self, made: Made) -> None:
        self._made = made

    @property
    def physical_resource_id(self) -> str:
        return self._made.ref

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.NAME_PROPERTY

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        service = self.TYPE.split("::")[1].lower()
        arn = f"arn:aws:{service}:{address.REGION}:{address.ACCOUNT}:{self._made.ref}"
        return self._made.attributes.get(
            attribute_name, arn if attribute_name.endswith("Arn") else self._made.ref
        )

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> ApiResource:
        properties = dict(cloudformation_json.get("Properties") or {})
        if cls.NAME_PROPERTY:
            properties.setdefault(cls.NAME_PROPERTY, resource_name)
        return cls(cls.CREATE(properties, resource_name))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        """Deployments here start from nothing, so a change of what exists is not carried out."""
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Nothing is freed: the whole emulator ends with its run."""

    def delete(self, account_id: str, region_name: str) -> None:
        """See `delete_from_cloudformation_json`."""


def resource_type(type_name: str, create: Create, name_property: str = "") -> type[ApiResource]:
    """A class that moto's CloudFormation uses for `type_name`. `name_property` is filled in where the template
    leaves it out."""
    body = {"TYPE": type_name, "NAME_PROPERTY": name_property, "CREATE": staticmethod(create)}
    return type(type_name.replace("::", ""), (ApiResource,), body)
