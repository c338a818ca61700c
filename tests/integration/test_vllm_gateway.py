"""Real vLLM nodes as the MEC tier of a real gateway: answers, load read from the nodes, drain, refusals, nodes that die."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.integration.counting import API_KEY, LAST, PROMPT_TOKENS, QUESTION, SERVED_NAME, count
from tests.integration.site import TARGETS, Event, Site
from tests.integration.vllm_node import VllmNode

pytestmark = [pytest.mark.integration, pytest.mark.server, pytest.mark.timeout(900)]
EDGE_A, EDGE_B = TARGETS
SLOTS = 4
# Five that wait make a node busy by the policy's measure.
CROWD = SLOTS + 6
ASKED: Any = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    with site.client() as client:
        yield client


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")


def other(target: str) -> str:
    return EDGE_B if target == EDGE_A else EDGE_A


@contextmanager
def crowded(site: Site, target: str) -> Iterator[None]:
    """More streams on one target than it has slots, for as long as the block runs."""
    leave = threading.Event()

    def one() -> None:
        with site.streaming(target) as events:
            for _ in events:
                if leave.is_set():
                    return

    with ThreadPoolExecutor(CROWD) as pool:
        streams = [pool.submit(one) for _ in range(CROWD)]
        try:
            yield
        finally:
            leave.set()
            wait(streams)
    for stream in streams:
        stream.result()


def test_answers_on_inference(site: Site) -> None:
    """An answer of a node, with the node's own token counts and nothing emulated."""
    answer = site.ask(max_tokens=20)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["output"]["text"] == count(1, 20) and body["output"]["finish_reason"] == "length"
    assert body["usage"] == {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": 20,
        "total_tokens": PROMPT_TOKENS + 20,
    }
    assert (body["routing"]["tier"], body["routing"]["model"]) == ("mec", SERVED_NAME)
    assert body["routing"]["emulated"] is False
    assert [attempt["outcome"] for attempt in body["attempts"]] == ["ok"]


def test_answers_the_openai_client(client: openai.OpenAI) -> None:
    """`model="auto"` and a target's own name both answer, and both targets are listed."""
    for model in ("auto", EDGE_B):
        answer = client.chat.completions.create(model=model, messages=ASKED, max_tokens=20)
        assert answer.choices[0].message.content == count(1, 20)
        assert answer.usage is not None and answer.usage.prompt_tokens == PROMPT_TOKENS

    assert set(TARGETS) <= {model.id for model in client.models.list()}


def test_streams_to_the_openai_client(client: openai.OpenAI) -> None:
    """The whole count in order, one finish reason, usage once and behind everything else."""
    chunks = list(
        client.chat.completions.create(
            model="auto", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == count()
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == LAST + 1


def test_load_is_read_from_the_node_and_turns_requests_away(site: Site) -> None:
    """The operator sees the node's own running, waiting and cache figures; a node with a queue is busy for new requests."""
    with crowded(site, EDGE_A):
        site.wait_until("a queue on edge-a", lambda: site.target(EDGE_A)["saturation"] >= 1.0)
        seen = site.target(EDGE_A)
        assert seen["running"] == SLOTS and seen["waiting"] >= 5 and 0.0 < seen["kv_usage"] <= 1.0
        assert site.target(EDGE_B)["running"] == 0

        body = site.ask(max_tokens=5).json()
        assert body["routing"]["target"] == EDGE_B
        assert body["routing"]["rejected"][EDGE_A].startswith("busy")

    site.wait_until("edge-a idle again", lambda: site.target(EDGE_A)["running"] == 0)


def test_a_drained_node_finishes_its_work_and_gets_no_more(site: Site) -> None:
    """By the node's own counters: the stream that ran ends whole, and nothing new arrives until it is back in service."""
    node = site.nodes[EDGE_A]
    with site.streaming(EDGE_A) as stream:
        events = [next(stream) for _ in range(10)]
        site.drain(EDGE_A, True)
        before = node.metrics()
        served = [site.ask(EDGE_A, max_tokens=5).json()["routing"]["target"] for _ in range(5)]
        during = node.metrics()
        health = site.health(EDGE_A)
        events += stream

    assert served == [EDGE_B] * 5 and health == "draining"
    assert during["vllm:prompt_tokens_total"] == before["vllm:prompt_tokens_total"]
    assert text_of(events) == count() and events[-1].name == "done"
    node.wait_idle()
    ended = node.metrics()["vllm:request_success_total"] - before["vllm:request_success_total"]
    assert ended == 1, "the stream that ran, and nothing else"

    site.drain(EDGE_A, False)
    site.wait_until("edge-a back in service", lambda: site.health(EDGE_A) == "up")
    assert site.ask(EDGE_A, max_tokens=5).json()["routing"]["target"] == EDGE_A


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_nodes_reaches_the_caller(site: Site, client: openai.OpenAI, stream: bool) -> None:
    """A node without a tool parser refuses tools; the caller is told so at once, and the nodes stay healthy."""
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    with pytest.raises(openai.APIStatusError, match="refused the request") as refused:
        client.chat.completions.create(model="auto", messages=ASKED, tools=[tool], stream=stream)

    assert refused.value.status_code in {400, 422, 502}
    assert breakers(site) == ["closed", "closed"]


def test_refusals_in_a_stream_do_not_count_against_the_nodes(site: Site, client: openai.OpenAI) -> None:
    """vLLM reports an impossible schema inside a stream that began with 200. Were that taken for an outage, a few such
    requests of one caller would open every breaker."""
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no"}}}
    for _ in range(6):
        with pytest.raises(openai.APIError):
            list(
                client.chat.completions.create(
                    model="auto", messages=ASKED, response_format=schema, stream=True
                )
            )

    assert breakers(site) == ["closed", "closed"]
    assert site.ask(max_tokens=5).status_code == 200


def test_embeddings_are_refused_where_no_node_makes_them(client: openai.OpenAI) -> None:
    """Nodes that generate text are not asked for vectors."""
    for model in ("auto", EDGE_A):
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model=model, input="text")
        assert refused.value.code == "no_permitted_target"


def test_a_prompt_beyond_every_context_is_refused(client: openai.OpenAI) -> None:
    """Too long for all targets by the router's estimate: refused before any node is asked."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "word " * 20_000}])
    assert refused.value.code == "no_permitted_target"


@pytest.mark.parametrize("dies", [VllmNode.kill, VllmNode.ask_to_stop], ids=["power-cut", "asked-to-stop"])
def test_a_node_that_dies_in_a_stream_is_taken_over(site: Site, dies: Callable[[VllmNode], None]) -> None:
    """The client reads one whole count: what the first node wrote and, from that very number on, what the second wrote.
    A killed node drops its connections; one that is asked to stop falls silent and keeps them open."""
    events: list[Event] = []
    with site.streaming() as stream:
        for event in stream:
            events.append(event)
            if event.name == "delta" and event.data["text"].endswith(" 100"):
                dies(site.nodes[first_target(events)])
    first = first_target(events)
    second = other(first)

    assert text_of(events) == count()
    told = [(event.data["from"], event.data["to"]) for event in events if event.name == "handoff"]
    assert told == [(first, second)]
    assert [event.name for event in events].count("done") == 1 and events[-1].name == "done"
    done = events[-1].data
    assert (done["routing"]["target"], done["output"]["finish_reason"]) == (second, "stop")
    assert [attempt["target"] for attempt in done["attempts"]] == [first, second]
    assert [attempt["outcome"] == "ok" for attempt in done["attempts"]] == [False, True]
    counted_once(done["usage"])
    assert API_KEY not in site.gateway.stderr.read_text()

    site.wait_until("the dead node is seen as down", lambda: site.health(first) == "down")
    assert site.ask(max_tokens=5).json()["routing"]["target"] == second
    back_in_service(site, first)


def test_an_engine_that_dies_in_an_openai_stream_is_taken_over(site: Site, client: openai.OpenAI) -> None:
    """The HTTP server of the node outlives its engine and reports it inside the stream: the OpenAI client sees one answer
    with one end, and the usage chunk names the hand-off."""
    texts: list[str] = []
    reasons: list[str] = []
    last: Any = None
    for last in client.chat.completions.create(
        model=EDGE_A,
        messages=ASKED,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"tierwise": {"preferences": {"fallback": True}}},
    ):
        for choice in last.choices:
            texts.append(choice.delta.content or "")
            reasons += [choice.finish_reason] if choice.finish_reason else []
            if texts[-1].endswith(" 100"):
                site.nodes[EDGE_A].kill_engine()

    assert "".join(texts) == count()
    assert reasons == ["stop"]
    assert last.tierwise["target"] == EDGE_B and last.tierwise["handoff"]["to"] == EDGE_B
    counted_once(last.usage.model_dump())


def first_target(events: list[Event]) -> str:
    return str(next(event.data["target"] for event in events if event.name == "decision"))


def breakers(site: Site) -> list[str]:
    return [str(site.target(name)["breaker"]) for name in TARGETS]


def counted_once(usage: dict[str, Any]) -> None:
    """The prompt once and every token once: the sum is what one node would have counted for the whole answer."""
    assert usage["total_tokens"] == PROMPT_TOKENS + LAST + 1
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def back_in_service(site: Site, target: str) -> None:
    """Starts a dead node again; the gateway finds it by itself and gives it work."""
    node = site.nodes[target]
    node.start()
    node.wait_ready()
    site.wait_until("the node is back", lambda: site.health(target) == "up")
    site.wait_until(
        "it serves again", lambda: site.ask(target, max_tokens=5).json()["routing"]["target"] == target
    )
