"""`/docs` is whole by itself: every operation, every field of its body, nothing from elsewhere, and no script."""

from __future__ import annotations

import re

from gateway.http.reference import page
from tests.unit.gateway.asgi import application, call
from tests.unit.gateway.scripted import ScriptedRouter


async def test_every_operation_and_field_is_shown() -> None:
    """What the OpenAPI document has, the page has."""
    app = application(ScriptedRouter())
    document = (await call(app, "GET", "/openapi.json")).json
    html = (await call(app, "GET", "/docs")).body.decode()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in html
    for field in (
        "preferences.max_latency_ms",
        "device.executes",
        "privacy.residency",
        "tierwise.session_id",
    ):
        assert f"<code>{field}</code>" in html, field


async def test_nothing_is_loaded_and_no_script_may_run() -> None:
    """The page names no other address, holds no script, and its policy allows none."""
    reply = await call(application(ScriptedRouter()), "GET", "/docs")
    html = reply.body.decode()
    assert "<script" not in html and not re.search(r"(?:src|href)=['\"]?(?:https?:)?//", html)
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_words_of_the_document_cannot_become_markup() -> None:
    """Descriptions are text."""
    html = page(
        {
            "info": {"title": "<b>", "version": "1"},
            "paths": {"/<i>": {"get": {"summary": "<script>alert(1)</script>", "responses": {"200": {}}}}},
        }
    )
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html
