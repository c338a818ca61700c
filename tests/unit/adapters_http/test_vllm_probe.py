"""What a probe sees of a node, and that it never raises whatever the node does."""

from __future__ import annotations

from dataclasses import asdict, replace

import orjson
import pytest

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.vllm_probe import MODELS_EVERY, VllmProbe, read_metrics
from router_core.ports import Reading
from tests.unit.adapters_http.raw_server import Peer, RawServer, ok, serving
from tests.upstream.server import FaultServer, refusing_url

MODEL = "llama-3.1-8b"
PAGE = """# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama-3.1-8b"} 3.0
vllm:num_requests_running{engine="1",model_name="llama-3.1-8b"} 2.0
vllm:num_requests_running{engine="0",model_name="other"} 50.0
vllm:num_requests_waiting{engine="0",model_name="llama-3.1-8b"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="llama-3.1-8b",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="llama-3.1-8b"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="llama-3.1-8b"} 0.25
vllm:gpu_cache_usage_perc{engine="0",model_name="llama-3.1-8b"} 0.9
vllm:request_success_total{engine="0",finished_reason="stop",model_name="llama-3.1-8b"} 10.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="llama-3.1-8b"} 5.0
vllm:request_success_created{engine="0",finished_reason="stop",model_name="llama-3.1-8b"} 1.7e+09
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="llama-3.1-8b"} 7.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="llama-3.1-8b"} 1.5
vllm:time_to_first_token_seconds_count{engine="0",model_name="llama-3.1-8b"} 15.0
vllm:prefix_cache_queries_total{engine="0",model_name="llama-3.1-8b"} 1e+03
vllm:prefix_cache_hits_total{engine="0",model_name="llama-3.1-8b"} 250.0
process_resident_memory_bytes 1.0
"""
SEEN = {
    "running": 5, "waiting": 1, "kv_usage": 0.375, "requests_total": 15.0, "ttft_sum_s": 1.5, "ttft_count": 15.0,
    "prefix_queries": 1000.0, "prefix_hits": 250.0,
}  # fmt: skip


# ---- the metrics page ------------------------------------------------------------------------------------------------


def test_engines_are_added_up_and_other_models_left_out() -> None:
    assert read_metrics(PAGE.encode(), MODEL) == SEEN


def test_a_model_that_runs_under_another_name_counts_everything() -> None:
    assert read_metrics(PAGE.encode(), "alias")["running"] == 55


def test_older_names_are_known() -> None:
    page = b"vllm:gpu_cache_usage_perc 0.4\nvllm:gpu_prefix_cache_queries_total 8\nvllm:gpu_prefix_cache_hits_total 2\n"
    assert read_metrics(page, MODEL) == {"kv_usage": 0.4, "prefix_queries": 8.0, "prefix_hits": 2.0}


def test_escaped_names_braces_and_timestamps_are_read() -> None:
    page = b'vllm:num_requests_running{model_name="a\\"} 7{",engine="0"} 4 1700000000\n'
    assert read_metrics(page, 'a"} 7{') == {"running": 4}


@pytest.mark.parametrize("page", [b"", b"\xff\xfe", b"vllm:num_requests_running NaN\n", b"vllm:num_requests_running x\n",
                                  b"vllm:num_requests_running +Inf\n", b"<html>", b"vllm:num_requests_running\n"])  # fmt: skip
def test_what_is_no_number_is_not_told(page: bytes) -> None:
    assert read_metrics(page, MODEL) == {}


def test_cache_use_stays_within_its_range() -> None:
    assert read_metrics(b"vllm:kv_cache_usage_perc 1.2\n", MODEL) == {"kv_usage": 1.0}


# ---- a node ----------------------------------------------------------------------------------------------------------


class Node:
    """A node whose pages a test can change; None closes the connection instead of answering."""

    def __init__(self) -> None:
        models = orjson.dumps({"data": [{"id": MODEL}]})
        self.pages: dict[str, bytes | None] = {
            "/health": ok(b""), "/v1/models": ok(models), "/metrics": ok(PAGE.encode()),
        }  # fmt: skip

    async def __call__(self, peer: Peer) -> None:
        while True:
            path = (await peer.request()).split(b" ")[1].decode()
            page = self.pages[path]
            if page is None:
                return
            await peer.send(page)


def status(code: int) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % code


async def look(node: Node, *, times: int = 1, model: str = MODEL) -> tuple[Reading, RawServer]:
    async with serving(node) as server:
        pool = HttpPool(server.url + "/v1")
        probe = VllmProbe(pool, model, api_key="key", timeout_s=5.0)
        for _ in range(times - 1):
            await probe.probe()
        reading = await probe.probe()
        await pool.aclose()
    return reading, server


async def test_a_healthy_node_tells_everything() -> None:
    reading, server = await look(Node())
    assert reading.rtt_ms is not None
    assert asdict(replace(reading, rtt_ms=None)) == asdict(Reading(up=True, models=(MODEL,), **SEEN))  # type: ignore[arg-type]  # fields by name
    assert all(b"authorization: Bearer key\r\n" in request for request in server.requests)


async def test_the_list_of_models_is_asked_for_now_and_then() -> None:
    _, server = await look(Node(), times=MODELS_EVERY + 1)
    paths = [request.split(b" ")[1] for request in server.requests]
    assert paths.count(b"/v1/models") == 2
    assert paths.count(b"/health") == paths.count(b"/metrics") == MODELS_EVERY + 1


@pytest.mark.parametrize("page", [status(503), status(500), status(401), None, b"nonsense\r\n\r\n"])
async def test_a_node_that_is_not_healthy_is_down(page: bytes | None) -> None:
    node = Node()
    node.pages["/health"] = page
    reading, _ = await look(node)
    assert not reading.up
    assert reading.detail


@pytest.mark.parametrize("page", [status(404), status(500), None, ok(b"\xff")])
async def test_a_node_without_metrics_is_up_and_tells_nothing_of_its_load(page: bytes | None) -> None:
    node = Node()
    node.pages["/metrics"] = page
    reading, _ = await look(node)
    assert (reading.up, reading.running, reading.kv_usage) == (True, None, None)


async def test_a_server_without_a_health_page_is_up_when_it_lists_models() -> None:
    node = Node()
    node.pages |= {"/health": status(404), "/metrics": status(404)}
    assert (await look(node))[0].up
    node.pages["/v1/models"] = status(404)
    assert not (await look(node))[0].up


async def test_a_node_that_does_not_serve_the_model_is_down() -> None:
    reading, _ = await look(Node(), model="another")
    assert not reading.up
    assert reading.models == (MODEL,)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": 7}', b'{"data": [7]}', b'{"data": [{"id": 7}]}']
)
async def test_an_unreadable_list_of_models_is_no_reason_to_be_down(body: bytes) -> None:
    node = Node()
    node.pages["/v1/models"] = ok(body)
    assert (await look(node))[0].up


async def test_a_node_that_comes_back_is_up_again() -> None:
    async with FaultServer(models=(MODEL,)) as upstream:
        pool = HttpPool(upstream.base_url)
        probe = VllmProbe(pool, MODEL)
        assert (await probe.probe()).up
        upstream.healthy = False
        assert not (await probe.probe()).up
        upstream.healthy = True
        assert (await probe.probe()).up
        await pool.aclose()


async def test_a_node_that_refuses_connections_is_down_and_its_address_is_not_told() -> None:
    with refusing_url() as url:
        pool = HttpPool(url + "/v1")
        reading = await VllmProbe(pool, MODEL).probe()
        await pool.aclose()
    assert not reading.up
    assert "127.0.0.1" not in reading.detail


async def test_a_node_that_hangs_is_down_in_time() -> None:
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.reader.readexactly(1)

    async with serving(hang) as server:
        pool = HttpPool(server.url)
        reading = await VllmProbe(pool, MODEL, timeout_s=0.05).probe()
        await pool.aclose()
    assert not reading.up
