"""What is learned of the line from traffic that there is anyway."""

from __future__ import annotations

import asyncio
import sys

import pytest

from edge_runtime.network import NetworkWatch, tcp_round_trip_ms
from edge_runtime.sdk.link import GatewayLink

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_round_trips_jitter_and_bandwidth_are_averages() -> None:
    watch = NetworkWatch()
    for rtt in (10.0, 20.0, 10.0):
        watch.round_trip(rtt)
    watch.exchanged(1_000_000, 1.0)
    seen = watch.seen()
    assert seen.rtt_ms == pytest.approx(11.6)
    assert seen.jitter_ms == pytest.approx(3.6)  # twice a change of 10 ms, a fifth of what it adds each
    assert seen.bandwidth_mbps == 8.0


def test_what_the_kernel_measured_goes_before_how_long_a_call_took() -> None:
    watch = NetworkWatch()
    watch.exchanged(100, 0.5, rtt_ms=7.0)
    assert watch.seen().rtt_ms == 7.0
    watch.answered(None)
    assert watch.seen().rtt_ms == 7.0


def test_loss_grows_with_calls_that_time_out_and_the_network_counts_as_away_for_longer_each_time() -> None:
    clock = Clock()
    watch = NetworkWatch(now_s=clock)
    pauses = []
    for _ in range(8):
        watch.failed(lost=True)
        pauses.append(watch.retry_in_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert watch.seen().type == "offline"
    assert watch.seen().loss == pytest.approx(0.832, abs=0.001)
    clock.now += 61.0
    assert watch.seen().type is None
    watch.answered(3.0)
    assert watch.seen().loss == pytest.approx(0.666, abs=0.001)


def test_the_platforms_word_counts() -> None:
    watch = NetworkWatch(type_of=lambda: "5g")
    assert watch.seen().type == "5g"
    watch.failed(lost=False)
    assert watch.seen().type == "offline"
    watch.back()
    assert watch.seen().type == "5g"


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is read on Linux and Android")
async def test_the_gateways_own_connection_tells_the_round_trip() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(ANSWER)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    watch = NetworkWatch()
    link = GatewayLink(f"http://127.0.0.1:{port}", None, watch)
    await link.send("/inference", {}, timeout_s=5.0)
    rtt = watch.seen().rtt_ms
    assert rtt is not None
    assert 0.0 <= rtt < 1_000.0
    await link.close()
    server.close()
    await server.wait_closed()
    assert tcp_round_trip_ms(None) is None
