"""Mends moto's CloudFormation where templates of the CDK break it.

moto ignores DependsOn for resources that it makes because another one refers to them, gives a stack that a change set
made neither imports nor outputs, reads no template from a bucket on a loopback address, and skips unknown types, so
that whatever refers to them fails.
"""

from __future__ import annotations

import logging
from typing import Any

import moto.cloudformation.models as models
import moto.cloudformation.parsing as parsing
import moto.cloudformation.responses as responses
import moto.cloudformation.utils as utils
from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel

from tests.localaws.cfn_resource import recorded, resource_type
from tests.localaws.cfn_types import TYPES
from tests.localaws.replacing import replace

_LOG = logging.getLogger(__name__)
_NOT_APPLIED = {
    # moto evaluates a bucket's policy without its conditions: "deny without TLS" would deny everything.
    "AWS::S3::BucketPolicy",
    "AWS::CDK::Metadata",
}

_TAGS_BREAK = {"AWS::KMS::Key"}


def install() -> None:
    """Replace what is broken, in moto's own modules, which offer no seam."""
    _install_types()
    _install_dependencies()
    _install_change_sets()
    read = utils.get_stack_from_s3_url

    def from_loopback(template_url: str, account_id: str, partition: str) -> str:
        return read(template_url.replace("127.0.0.1", "localhost"), account_id, partition)

    for module in (utils, models, responses):
        replace(module, "get_stack_from_s3_url", from_loopback)


def _install_types() -> None:
    """Our types first, then moto's, and for all others a class that only records."""
    moto_finds = parsing.resource_class_from_type
    known: dict[str, type[CloudFormationModel]] = dict(TYPES)

    def find(type_name: str) -> type[CloudFormationModel]:
        if type_name in known:
            return known[type_name]
        theirs = type_name in parsing.get_model_map() or type_name in parsing.NULL_MODELS
        if (theirs and type_name not in _NOT_APPLIED) or type_name.startswith("Custom::"):
            return moto_finds(type_name)
        known[type_name] = resource_type(type_name, recorded(type_name))
        return known[type_name]

    def name_property(type_name: str) -> str | None:
        return find(type_name).cloudformation_name_type() if type_name in known else moto_names(type_name)

    moto_names = parsing.resource_name_property_from_type
    replace(parsing, "resource_class_from_type", find)
    replace(parsing, "resource_name_property_from_type", name_property)


def _install_dependencies() -> None:
    moto_gets = parsing.ResourceMap.__getitem__
    being_made: set[tuple[int, str]] = set()

    def get(resources: parsing.ResourceMap, key: str) -> Any:
        mark = (id(resources), key)
        template = resources._resource_json_map.get(key)
        if template and key not in resources._parsed_resources and mark not in being_made:
            being_made.add(mark)
            if template["Type"] in _TAGS_BREAK:
                template.get("Properties", {}).pop("Tags", None)
            try:
                wanted = template.get("DependsOn", [])
                for name in [wanted] if isinstance(wanted, str) else wanted:
                    resources[name]
                return moto_gets(resources, key)
            except ValidationError:
                raise
            except Exception as error:
                _LOG.exception("%s was not made", key)
                raise ValidationError(key, f"{key} ({template['Type']}): {error!r}") from error
            finally:
                being_made.discard(mark)
        return moto_gets(resources, key)

    replace(parsing.ResourceMap, "__getitem__", get)


def _install_change_sets() -> None:
    moto_executes = models.CloudFormationBackend.execute_change_set
    moto_starts = models.Stack.__init__

    def execute(
        backend: models.CloudFormationBackend, change_set_name: str, stack_name: str | None = None
    ) -> None:
        change_set = _change_set(backend, change_set_name, stack_name)
        stack = backend.stacks[change_set.stack_id]
        try:
            moto_executes(backend, change_set.change_set_id, stack_name)
        except Exception as error:
            stack.status = "ROLLBACK_COMPLETE"
            stack._add_stack_event("ROLLBACK_COMPLETE", resource_status_reason=repr(error))
            raise
        stack._parse_template()
        stack.output_map = stack._create_output_map()
        backend.exports.update({export.name: export for export in stack.exports})

    def start(stack: models.Stack, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("cross_stack_resources"):
            owner = models.cloudformation_backends[kwargs["account_id"]][kwargs["region_name"]]
            kwargs["cross_stack_resources"] = owner.exports
        moto_starts(stack, *args, **kwargs)

    replace(models.CloudFormationBackend, "execute_change_set", execute)
    replace(models.Stack, "__init__", start)


def _change_set(backend: models.CloudFormationBackend, name: str, stack_name: str | None) -> models.ChangeSet:
    """The newest of that name: the CDK gives every stack's change set the same one."""
    if name in backend.change_sets:
        return backend.change_sets[name]
    return next(
        found
        for found in reversed(list(backend.change_sets.values()))
        if found.change_set_name == name and stack_name in (None, found.stack_id, found.stack_name)
    )
