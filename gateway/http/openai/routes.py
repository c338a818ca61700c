"""Which handler serves which path under `/v1`."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Handler, HotRoute
from gateway.http.openai import models
from gateway.http.openai.chat import ChatCompletions
from gateway.http.openai.completions import TextCompletions
from gateway.http.openai.embeddings import Embeddings
from gateway.http.openai.responses import Responses
from gateway.http.serving import Serving


def openai_routes(
    dependencies: AppDependencies, serving: Serving
) -> tuple[Mapping[str, HotRoute], Mapping[str, Handler]]:
    """Exact paths, and prefixes of paths that carry a name."""
    names = models.ModelNames(dependencies.catalogue, dependencies.aliases, dependencies.started_s)
    routes = {
        "/v1/chat/completions": HotRoute("POST", ChatCompletions(dependencies, serving, names)),
        "/v1/completions": HotRoute("POST", TextCompletions(dependencies, serving, names)),
        "/v1/responses": HotRoute("POST", Responses(dependencies, serving, names)),
        "/v1/embeddings": HotRoute("POST", Embeddings(dependencies, serving, names)),
        "/v1/models": HotRoute("GET", names.list),
    }
    return routes, {models.PREFIX: names.one}
