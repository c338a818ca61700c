"""OpenAI's client makes batches here as it does there: files in, files out, every state and number where it expects them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from tests.e2e.jobs.house import job_house, rows
from tests.e2e.lifecycle.house import ACME, OTHER, House, until
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("jobs")]
CHAT: Final = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")
CANARY = "canary-of-the-vineyard-1414"


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=10) as server:
        yield server


def client_of(house: House, key: str = ACME) -> OpenAI:
    return OpenAI(base_url=f"{house.gateway.url}/v1", api_key=key, max_retries=0, timeout=30.0)


def chat(number: int, **body: Any) -> dict[str, Any]:
    given = {"model": "auto", "messages": [{"role": "user", "content": f"{CANARY} {number}"}], **body}
    return {"custom_id": f"r-{number}", "method": "POST", "url": CHAT, "body": given}


def uploaded(client: OpenAI, lines: list[dict[str, Any]]) -> str:
    content = "\n".join(map(json.dumps, lines)).encode()
    return client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch").id


def made(client: OpenAI, lines: list[dict[str, Any]], endpoint: Any = CHAT, **more: Any) -> Batch:
    return client.batches.create(
        input_file_id=uploaded(client, lines), endpoint=endpoint, completion_window="24h", **more
    )


def ended(client: OpenAI, batch: Batch) -> Batch:
    def over() -> Batch | None:
        found = client.batches.retrieve(batch.id)
        return found if found.status in OVER else None

    found: Batch = until(over)
    return found


def results(client: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_every_endpoint_gives_what_it_would_have_given_by_itself(
    tmp_path: Path, upstream: FaultServer
) -> None:
    bodies: dict[Any, dict[str, Any]] = {
        CHAT: {"messages": [{"role": "user", "content": "Trees?"}]},
        "/v1/completions": {"prompt": "Trees?", "echo": True},
        "/v1/responses": {"input": "Trees?"},
        "/v1/embeddings": {"model": "mec/node", "input": ["Trees?", "Leaves?"]},
    }
    with job_house(tmp_path, upstream) as house:
        client = client_of(house)
        for endpoint, body in bodies.items():
            line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "auto", **body}}
            batch = ended(client, made(client, [line], endpoint))
            if endpoint == "/v1/embeddings":
                # The house's node embeds nothing: the line says so as the endpoint would have.
                (failed,) = results(client, batch.error_file_id)
                assert failed["response"]["status_code"] == 400
                continue
            (result,) = results(client, batch.output_file_id)
            told = result["response"]["body"]
            assert told["object"] == {"chat": "chat.completion", "completions": "text_completion"}.get(
                endpoint.split("/")[2], "response"
            )
            assert "w9" in json.dumps(told)
            assert result["tierwise"]["target"] == "mec/node", "it costs nothing there"


def test_a_batch_from_upload_to_deletion(tmp_path: Path, upstream: FaultServer) -> None:
    with job_house(tmp_path, upstream) as house:
        client = client_of(house)
        batch = made(client, [chat(n) for n in range(12)], metadata={"for": "night"})
        assert (batch.object, batch.status, batch.completion_window) == ("batch", "validating", "24h")
        assert batch.expires_at == batch.created_at + 86_400
        done = ended(client, batch)
        assert done.status == "completed" and done.metadata == {"for": "night"}
        assert done.request_counts is not None and done.request_counts.completed == 12
        assert done.in_progress_at and done.finalizing_at and done.completed_at
        assert done.usage is not None and done.usage.output_tokens == 120
        found = results(client, done.output_file_id)
        assert [one["custom_id"] for one in found] == [f"r-{n}" for n in range(12)]
        assert {one["response"]["body"]["choices"][0]["message"]["content"][-2:] for one in found} == {"w9"}
        assert [one.id for one in client.batches.list(limit=5)] == [done.id]
        files = {one.id: one for one in client.files.list()}
        assert set(files) == {done.input_file_id, done.output_file_id}
        assert files[done.input_file_id].purpose == "batch"
        assert CANARY in client.files.content(done.input_file_id).text
        for name in files:
            assert client.files.delete(name).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(done.input_file_id)
        stranger = client_of(house, OTHER)
        with pytest.raises(openai.NotFoundError):
            stranger.batches.retrieve(done.id)
        assert stranger.batches.list().data == []
        page = house.client().get("/metrics", headers={"authorization": f"Bearer {house.gateway.key}"})
        assert 'tierwise_batches_total{status="completed"} 1' in page.text
        assert 'tierwise_batch_lines_total{state="completed"} 12' in page.text
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()
    ], "what callers wrote is sealed wherever it lies"


def test_killed_in_the_middle_and_started_again_each_line_has_one_result(
    tmp_path: Path, upstream: FaultServer
) -> None:
    upstream.default = Fault(token_delay_s=0.02, length=10)
    lines = [chat(n) for n in range(24)]
    with job_house(tmp_path, upstream) as house:
        batch = made(client_of(house), lines)
        assert upstream.wait_until(lambda server: len(server.requests) >= 6, 15.0)
        house.gateway.process.kill()
        house.gateway.process.wait()
    upstream.default = Fault()
    # A killed driver's batch comes back when its lease is over; a test need not wait for that.
    free = "UPDATE batches SET lent_until_s = 0"
    subprocess.run(
        [sys.executable, "-c", f"import sqlite3; c = sqlite3.connect('var/jobs.db'); c.execute({free!r}); c.commit()"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    with job_house(tmp_path, upstream) as house:
        client = client_of(house)
        done = ended(client, batch)
        found = results(client, done.output_file_id)
    assert (done.status, done.error_file_id) == ("completed", None)
    assert [one["custom_id"] for one in found] == [f"r-{n}" for n in range(24)]
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT request_id) FROM request_history") == [(24, 24)]


def test_cancel_and_wrong_files_in_the_clients_own_words(tmp_path: Path, upstream: FaultServer) -> None:
    upstream.default = Fault(token_delay_s=0.05, length=10)
    with job_house(tmp_path, upstream) as house:
        client = client_of(house)
        batch = made(client, [chat(n) for n in range(40)])
        assert upstream.wait_until(lambda server: len(server.requests) >= 2, 15.0)
        assert client.batches.cancel(batch.id).status == "cancelling"
        upstream.default = Fault()
        done = ended(client, batch)
        assert done.status == "cancelled" and done.cancelled_at
        both = [*results(client, done.output_file_id), *results(client, done.error_file_id)]
        assert sorted(one["custom_id"] for one in both) == sorted(f"r-{n}" for n in range(40))
        failed = ended(client, made(client, [chat(1), chat(1)]))
        assert failed.status == "failed" and failed.errors is not None and failed.errors.data
        assert (failed.errors.data[0].code, failed.errors.data[0].line) == ("duplicate_custom_id", 2)
        with pytest.raises(openai.BadRequestError):
            client.files.create(file=("x.jsonl", io.BytesIO(b"{}")), purpose="fine-tune")
        with pytest.raises(openai.NotFoundError):
            client.batches.create(input_file_id="file-no", endpoint=CHAT, completion_window="24h")


def test_the_command_line_makes_a_batch_follows_it_and_fetches_its_results(
    tmp_path: Path, upstream: FaultServer
) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(chat(n)) for n in range(3)))
    with job_house(tmp_path, upstream) as house:
        done = json.loads(batch_command(tmp_path, house, "submit", "in.jsonl", "--wait", "--json"))
        assert (done["status"], done["request_counts"]["completed"]) == ("completed", 3)
        assert "3 of 3 answered" in batch_command(tmp_path, house, "status", done["id"])
        listed = json.loads(batch_command(tmp_path, house, "list", "--json"))
        assert [one["id"] for one in listed["data"]] == [done["id"]]
        batch_command(tmp_path, house, "results", done["id"], "--out", "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def batch_command(folder: Path, house: House, *arguments: str) -> str:
    environment = {**os.environ, "TIERWISE_URL": house.gateway.url, "TIERWISE_KEY": ACME}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "batch", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout
