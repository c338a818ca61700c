"""What a caller writes arrives in the core as it was meant."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from router_core.inference import Device, InferenceRequest, Location, Network, Preferences, Privacy
from tests.unit.gateway.asgi import NEAR, application, call
from tests.unit.gateway.scripted import ScriptedRouter

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


async def asked(path: str, body: dict[str, Any], **more: Any) -> InferenceRequest:
    """The one request the router got."""
    router = ScriptedRouter()
    reply = await call(application(router), "POST", path, body, **more)
    assert reply.status == 200, reply.body
    return router.asked[0]


async def test_every_field_of_an_inference_body_reaches_the_core() -> None:
    request = await asked(
        "/inference",
        {
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "what is this?"},
                                             {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                                             {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}}]},
                {"role": "assistant", "content": None,
                 "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
                {"role": "tool", "content": "a lamp", "tool_call_id": "c1"},
            ],
            "task": "extract",
            "params": {"max_tokens": 7, "temperature": 0, "response_format": {"type": "json_object"},
                       "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
            "preferences": {"optimize": "cost", "max_latency_ms": 300, "max_cost_usd": 0.002, "min_quality": 0.7,
                            "tiers": ["mec", "cloud"], "target": "mec/edge-a", "fallback": True},
            "device": {"id": "pixel-9", "class": "phone", "models": ["intent-v1"], "battery": 0.62, "charging": False,
                       "thermal": "nominal", "memory_free_mb": 900, "cpu_load": 0.3, "executes": True},
            "network": {"type": "5g", "rtt_ms": 18, "bandwidth_mbps": 120, "jitter_ms": 3, "loss": 0.0},
            "location": {"region": "eu-central-1", "lat": 50.1, "lon": 8.7},
            "privacy": {"level": "confidential", "residency": "EU", "compliance": ["GDPR", "GDPR"]},
            "session_id": "s1", "user": "u1", "metadata": {"ticket": "42"}, "webhook": None,
        },
    )  # fmt: skip
    assert request.caller.tenant == "acme"
    assert [message["role"] for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert request.messages[1]["content"][1]["image_url"]["url"].endswith(PIXEL)
    assert request.messages[2]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert request.messages[3]["tool_call_id"] == "c1"
    assert request.task == "extract"
    assert (request.params.max_tokens, request.params.temperature) == (7, 0)
    assert request.params.response_format == {"type": "json_object"}
    assert request.params.tools[0]["function"]["parameters"] == {"type": "object"}
    assert request.preferences == Preferences(
        optimize="cost", max_latency_ms=300, max_cost_usd=0.002, min_quality=0.7, tiers=("mec", "cloud"),
        target="mec/edge-a", fallback=True,
    )  # fmt: skip
    assert request.device == Device(
        id="pixel-9", device_class="phone", models=("intent-v1",), battery=0.62, charging=False, thermal="nominal",
        memory_free_mb=900, cpu_load=0.3, executes=True,
    )  # fmt: skip
    assert request.network == Network(type="5g", rtt_ms=18, bandwidth_mbps=120, jitter_ms=3, loss=0.0)
    assert request.location == Location(region="eu-central-1", lat=50.1, lon=8.7)
    assert request.privacy == Privacy(level="confidential", residency="eu", compliance=("GDPR",))
    assert (request.session_id, request.user, request.metadata) == ("s1", "u1", {"ticket": "42"})


async def test_nulls_mean_the_defaults() -> None:
    bare = await asked("/inference", {"input": "hi"})
    full = await asked(
        "/inference",
        {"input": "hi", "task": None, "stream": None, "params": None, "preferences": {"optimize": None},
         "device": {}, "network": None, "privacy": {"level": None}, "metadata": None},
    )  # fmt: skip
    for name in (
        "messages",
        "task",
        "stream",
        "params",
        "preferences",
        "device",
        "network",
        "privacy",
        "metadata",
    ):
        assert getattr(full, name) == getattr(bare, name), name


async def test_a_key_bound_to_tiers_narrows_what_its_requests_may_use() -> None:
    assert (await asked("/inference", {"input": "hi"}, key=NEAR)).preferences.tiers == ("device", "mec")
    both = {"input": "hi", "preferences": {"tiers": ["cloud", "mec"]}}
    assert (await asked("/inference", both, key=NEAR)).preferences.tiers == ("mec",)
    chat = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    assert (await asked("/v1/chat/completions", chat, key=NEAR)).preferences.tiers == ("device", "mec")


async def test_asking_only_for_tiers_the_key_may_not_use_is_forbidden() -> None:
    body = {"input": "hi", "preferences": {"tiers": ["cloud"]}}
    assert (await call(application(), "POST", "/inference", body, key=NEAR)).status == 403


async def test_no_cache_asks_for_a_fresh_answer() -> None:
    assert (await asked("/inference", {"input": "hi"})).cache_allowed
    fresh = await asked("/inference", {"input": "hi"}, headers={"cache-control": "no-cache"})
    assert not fresh.cache_allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/cat.png",
        "file:///etc/passwd",
        "data:text/html;base64,PGI+",
        "data:image/png;base64,***",
        "data:image/png,raw",
        "DATA:image/png;base64,",
        "http://a\\@b/x.png",
    ],
)
@pytest.mark.parametrize("path", ["/inference", "/v1/chat/completions"])
async def test_an_image_is_data_or_it_is_refused(path: str, url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [part]}]}
    if path != "/inference":
        body["model"] = "auto"
    router = ScriptedRouter()
    assert (await call(application(router), "POST", path, body)).status == 400
    assert router.asked == []


@pytest.mark.parametrize(
    ("model", "target", "optimize"),
    [
        ("auto", None, "balanced"),
        ("auto:latency", None, "latency"),
        ("auto:energy", None, "energy"),
        ("mec/edge-a", "mec/edge-a", "balanced"),
        ("gpt-4o", None, "balanced"),
        ("fast", None, "latency"),
        ("edge", "mec/edge-a", "balanced"),
    ],
)
async def test_a_model_name_means_auto_an_objective_a_target_or_an_alias(
    model: str, target: str | None, optimize: str
) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
    request = await asked("/v1/chat/completions", body)
    assert (request.preferences.target, request.preferences.optimize) == (target, optimize)


async def test_the_body_field_tierwise_says_what_openais_body_cannot() -> None:
    own = {"preferences": {"max_cost_usd": 0.5}, "privacy": {"level": "restricted"}, "device": {"battery": 0.2},
           "network": {"type": "wifi"}, "location": {"region": "eu-west-1"}, "session_id": "s", "task": "command"}  # fmt: skip
    body = {"model": "auto:cost", "messages": [{"role": "user", "content": "x"}], "tierwise": own}
    request = await asked("/v1/chat/completions", body)
    assert request.preferences == Preferences(optimize="cost", max_cost_usd=0.5)
    assert request.privacy.level == "restricted"
    assert (request.device.battery, request.network.type, request.location.region) == (
        0.2,
        "wifi",
        "eu-west-1",
    )
    assert (request.session_id, request.task) == ("s", "command")


async def test_sampling_parameters_are_passed_on_and_the_rest_is_named_as_ignored() -> None:
    given = {"top_p": 0.9, "frequency_penalty": -2, "presence_penalty": 2, "seed": -9007199254740991, "stop": ["\n"],
             "logit_bias": {"50256": -100}, "n": 2, "logprobs": True, "top_logprobs": 3, "tool_choice": "none",
             "parallel_tool_calls": False, "reasoning_effort": "low"}  # fmt: skip
    router = ScriptedRouter()
    reply = await call(
        application(router),
        "POST",
        "/v1/chat/completions",
        {"model": "auto", "messages": [{"role": "user", "content": "x"}], **given, "max_tokens": 5,
         "max_completion_tokens": 6, "service_tier": "auto", "store": False, "x\r\nset-cookie: a": 1},
    )  # fmt: skip
    params = router.asked[0].params
    assert dict(params.extra) == given
    assert params.max_tokens == 6
    assert reply.headers["x-tierwise-ignored-params"] == "service_tier, store"
    assert "set-cookie" not in reply.headers
