"""Which resource and method of a REST API a path belongs to; a greedy `{proxy+}` only where nothing closer fits."""

from __future__ import annotations

from moto.apigateway.models import Method, Resource, RestAPI

from tests.localaws.rest.refusal import Refusal


def find_route(api: RestAPI, verb: str, path: str) -> tuple[Resource, Method, dict[str, str]]:
    """Resource, method and path parameters. Raises Refusal, in the words that have puzzled everybody once."""
    for resource in sorted(api.resources.values(), key=_openness):
        parameters = match(resource.get_path(), path)
        if parameters is None:
            continue
        method = resource.resource_methods.get(verb) or resource.resource_methods.get("ANY")
        if method is not None:
            return resource, method, parameters
    raise Refusal(403, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")


def _openness(resource: Resource) -> tuple[bool, int]:
    path = resource.get_path()
    return "+}" in path, path.count("{")


def match(template: str, path: str) -> dict[str, str] | None:
    """The parameters when `path` fits `template`, else None."""
    wanted = [part for part in template.split("/") if part]
    given = [part for part in path.split("/") if part]
    parameters: dict[str, str] = {}
    if wanted and wanted[-1].endswith("+}"):
        fixed = len(wanted) - 1
        if len(given) <= fixed:
            return None
        parameters[wanted[-1][1:-2]] = "/".join(given[fixed:])
        wanted, given = wanted[:fixed], given[:fixed]
    if len(wanted) != len(given):
        return None
    for template_part, part in zip(wanted, given, strict=True):
        if template_part.startswith("{"):
            parameters[template_part[1:-1]] = part
        elif template_part != part:
            return None
    return parameters
