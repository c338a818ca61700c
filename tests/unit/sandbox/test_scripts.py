"""Scripts and records: faults strike where they are told to, and what arrived is counted to the byte."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

import openai
import pytest

from gateway.sandbox.faults import KEPT_BODIES, Script, ScriptError, Seen, Step, apply_script
from gateway.sandbox.processes import StandIns
from tests.unit.sandbox.sending import get, post

MODEL = "llama-3.1-8b"
HELLO: Any = [{"role": "user", "content": "Hello"}]


def script(standins: StandIns, *steps: dict[str, Any]) -> None:
    standins.script(standins.mec_urls[0], {"steps": {MODEL: list(steps)}})


def test_steps_are_taken_in_order_and_then_answers_are_ordinary(
    standins: StandIns, mec: openai.OpenAI
) -> None:
    script(standins, {"status": 429, "retry_after": 3}, {"status": 503}, {"text": "scripted words"})
    with pytest.raises(openai.RateLimitError) as caught:
        mec.chat.completions.create(model=MODEL, messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "3"
    with pytest.raises(openai.InternalServerError):
        mec.chat.completions.create(model=MODEL, messages=HELLO)
    texts = [
        mec.chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content for _ in "ab"
    ]
    assert texts[0] == "scripted words"
    assert "stand-in" in str(texts[1])


def test_a_cut_drops_the_connection_after_that_many_tokens(standins: StandIns, mec: openai.OpenAI) -> None:
    script(standins, {"cut_after": 4}, {"cut_after": 4})
    seen: list[str | None] = []
    with pytest.raises(openai.APIConnectionError):
        for chunk in mec.chat.completions.create(model=MODEL, messages=HELLO, stream=True):
            seen.append(chunk.choices[0].delta.content)
    assert len([text for text in seen if text]) == 4
    with pytest.raises(openai.APIConnectionError):
        mec.chat.completions.create(model=MODEL, messages=HELLO)


def test_a_stall_sends_nothing_more_until_the_client_gives_up(standins: StandIns, mec: openai.OpenAI) -> None:
    script(standins, {"stall_after": 2})
    seen = []
    with pytest.raises(openai.APITimeoutError):
        for chunk in mec.with_options(timeout=1.0).chat.completions.create(
            model=MODEL, messages=HELLO, stream=True
        ):
            seen.append(chunk.choices[0].delta.content)
    assert len([text for text in seen if text]) == 2


def test_a_client_that_closes_its_connection_frees_its_slot(standins: StandIns, mec: openai.OpenAI) -> None:
    script(standins, {"stall_after": 1})
    running = f'vllm:num_requests_running{{engine="0",model_name="{MODEL}"}} '
    with mec.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as stream:
        next(iter(stream))
        assert f"{running}1.0" in get(f"{standins.mec_urls[0]}/metrics").body.decode()
    while f"{running}0.0" not in get(f"{standins.mec_urls[0]}/metrics").body.decode():
        pass


def test_an_error_event_ends_a_stream(standins: StandIns, mec: openai.OpenAI) -> None:
    script(standins, {"error_after": 2, "status": 500, "message": "engine died"})
    with pytest.raises(openai.APIError, match="engine died"):
        list(mec.chat.completions.create(model=MODEL, messages=HELLO, stream=True))


def test_a_ready_made_body_is_sent_with_status_200(standins: StandIns, mec: openai.OpenAI) -> None:
    script(standins, {"body": {"error": {"message": "inside a 200"}}})
    answer = mec.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert answer.http_response.json() == {"error": {"message": "inside a 200"}}


def test_every_byte_is_counted_refused_requests_included(standins: StandIns) -> None:
    url = standins.mec_urls[0]
    standins.script(url, {"watch": ["canary-17"]})
    bodies = [b'{"model": "x", "note": "canary-17 canary-17"}', b"not json canary-17", b"{}"]
    for body in bodies:
        post(f"{url}/v1/chat/completions", body, {})
    seen = standins.seen(url)
    assert (seen["requests"], seen["bytes"]) == (3, sum(map(len, bodies)))
    assert seen["watched"] == {"canary-17": 3}
    assert seen["by_model"] == {"x": 1, "": 2}
    assert [one["body"].encode() for one in seen["last"]] == bodies


def test_the_control_paths_do_not_exist_without_the_token(standins: StandIns) -> None:
    for url in (standins.bedrock_url, standins.mec_urls[0]):
        assert get(f"{url}/_sandbox/seen").status == 404
        assert get(f"{url}/_sandbox/seen", {"x-sandbox-token": "wrong"}).status == 404
        assert post(f"{url}/_sandbox/script", b'{"reset": true}', {}).status == 404


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"step": {}}, "step"),
        ({"steps": []}, "steps"),
        ({"steps": {"*": [{"eror": "x"}]}}, "eror"),
        ({"steps": {"*": [{"status": "500"}]}}, "status"),
        ({"steps": {"*": [{"status": 700}]}}, "status"),
        ({"steps": {"*": [{"delay_ms": -1}]}}, "delay_ms"),
        ({"steps": {"*": [3]}}, "object"),
        ({"watch": ["", "x"]}, "watch"),
    ],
)
def test_a_wrong_script_is_refused_by_name_and_changes_nothing(document: dict[str, Any], named: str) -> None:
    script, seen = Script(), Seen()
    script.push("*", Step(text="kept"))
    with pytest.raises(ScriptError, match=named):
        apply_script({"reset": True, **document} if "watch" not in document else document, script, seen)
    assert script.take("any").text == "kept"


def test_a_wrong_script_over_the_wire_is_an_error_for_its_sender(standins: StandIns) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        standins.script(standins.bedrock_url, {"steps": {"*": [{"eror": 1}]}})
    assert "eror" in json.loads(caught.value.read())["message"]
    caught.value.close()


def test_a_models_own_queue_comes_before_the_one_for_all_and_repeats_as_told() -> None:
    script = Script()
    script.push("*", Step(text="all", repeat=0))
    script.push("a", Step(text="own", repeat=2))
    assert [script.take("a").text for _ in range(4)] == ["own", "own", "all", "all"]
    script.clear()
    assert script.take("a") == Step()


def test_only_the_last_bodies_are_kept_while_totals_stay_complete() -> None:
    seen = Seen()
    for number in range(KEPT_BODIES + 50):
        seen.record(f"model-{number}", "/", b"12345")
    assert (seen.requests, seen.body_bytes, len(seen.last)) == (250, 1250, KEPT_BODIES)
    for number in range(2_000):
        seen.record(f"invented-{number}", "/", b"")
    assert len(seen.by_model) <= 1_001
    assert sum(seen.by_model.values()) == seen.requests
