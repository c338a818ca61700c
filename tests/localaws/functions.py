"""Runs Lambda functions: each from its deployed code in warm processes of its own, one call per process at a time.

As on AWS a concurrent call gets another process, a timeout ends the process, and a process keeps its memory between
calls. Memory limits and the read-only disk are not imitated. Packages come from this interpreter's environment, because
the deployed ones are built for another processor; the product's own code comes from the asset alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.localaws import address

MAX_PROCESSES: Final = 6
"""Per function; a call beyond them waits. AWS would start more, two cores would not be faster."""
MAX_PAYLOAD_BYTES: Final = 6_291_556
STARTING_S: Final = 15.0
"""Added to the first call of a process: Lambda gives starting a time of its own, and this machine has other work."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_WORKER: Final = Path(__file__).with_name("worker.py")
_PASSED_ON: Final = ("PATH", "LANG", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one call gave: JSON, whether it is an error, and what was printed meanwhile."""

    payload: str
    failed: bool
    log: str
    request_id: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What of a function decides whether a running process still is that function."""

    arn: str
    name: str
    handler: str
    memory_mb: int
    timeout_s: float
    version: str
    code: bytes = field(repr=False, compare=False)
    code_sha256: str
    variables: tuple[tuple[str, str], ...] = field(repr=False)


class FunctionProcess:
    """One warm process. `call` is for one caller at a time."""

    def __init__(self, function: Deployed, task: Path) -> None:
        self._timeout_s, self._starting_s = function.timeout_s, STARTING_S
        self._arn = function.arn
        self._log = tempfile.NamedTemporaryFile(prefix="tierwise-fn-")  # noqa: SIM115  # lives as long as the process
        results, given = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=task,
            env=_variables(function, task, given),
            pass_fds=[given],
            start_new_session=True,
        )
        os.close(given)
        self._results = os.fdopen(results, "rb")

    @property
    def alive(self) -> bool:
        """False once it has ended; such a process is not called again."""
        return self._process.poll() is None

    def call(self, event: Any, trace: str | None = None) -> Result:
        """Run one event; a function that ends or overruns gives the error that Lambda would report."""
        request_id, started = str(uuid.uuid4()), time.monotonic()
        said_before = os.path.getsize(self._log.name)
        overran = threading.Event()
        timer = threading.Timer(self._timeout_s + self._starting_s, self._overrun, (overran,))
        self._starting_s = 0.0
        timer.start()
        try:
            answer = self._exchange(
                {
                    "event": event,
                    "request_id": request_id,
                    "arn": self._arn,
                    "timeout_s": self._timeout_s,
                    "trace": trace,
                }
            )
        finally:
            timer.cancel()
        if answer is None:
            # Its results are closed, so it is ending; until it has, it would pass for alive.
            self._process.kill()
            self._process.wait()
            answer = _ended(request_id, self._timeout_s if overran.is_set() else None)
        return Result(
            payload=answer["payload"],
            failed=not answer["ok"],
            log=self._said_since(said_before),
            request_id=request_id,
            duration_ms=(time.monotonic() - started) * 1_000,
        )

    def stop(self) -> None:
        """End the process and remove its log."""
        self._process.kill()
        self._process.wait()
        self._results.close()
        self._log.close()

    def _exchange(self, call: dict[str, Any]) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(call).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        line = self._results.readline()
        return json.loads(line) if line else None

    def _overrun(self, overran: threading.Event) -> None:
        overran.set()
        self._process.kill()

    def _said_since(self, position: int) -> str:
        with open(self._log.name, "rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")


class FunctionPool:
    """All running functions."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._idle: dict[Deployed, list[FunctionProcess]] = {}
        self._count: dict[Deployed, int] = {}
        self._all: set[FunctionProcess] = set()
        self._assets = Path(tempfile.mkdtemp(prefix="tierwise-assets-"))

    def call(self, function: Deployed, event: Any, trace: str | None = None) -> Result:
        """Run one event in a free process, or in a new one, or wait for one."""
        process = self._take(function)
        try:
            return process.call(event, trace)
        finally:
            self._give_back(function, process)

    def stop(self) -> None:
        """End every process and remove what they ran from."""
        with self._changed:
            for process in self._all:
                process.stop()
            self._all.clear()
            self._idle.clear()
            shutil.rmtree(self._assets, ignore_errors=True)

    def _take(self, function: Deployed) -> FunctionProcess:
        with self._changed:
            while not (idle := self._idle.setdefault(function, [])) and (
                self._count.get(function, 0) >= MAX_PROCESSES
            ):
                self._changed.wait()
            if idle:
                return idle.pop()
            self._count[function] = self._count.get(function, 0) + 1
            process = FunctionProcess(function, self._unpacked(function))
            self._all.add(process)
            return process

    def _unpacked(self, function: Deployed) -> Path:
        """The asset's folder, shared by all functions deployed from it."""
        folder = self._assets / hashlib.sha256(function.code).hexdigest()
        if not folder.exists():
            zipfile.ZipFile(io.BytesIO(function.code)).extractall(folder)
        return folder

    def _give_back(self, function: Deployed, process: FunctionProcess) -> None:
        with self._changed:
            if process.alive:
                self._idle[function].append(process)
            else:
                self._count[function] -= 1
                self._all.discard(process)
                process.stop()
            self._retire(function)
            self._changed.notify_all()

    def _retire(self, current: Deployed) -> None:
        """Stop idle processes of what `current` replaced: the same function with other code or variables."""
        for function in [f for f in self._idle if f.arn == current.arn and f != current]:
            for process in self._idle.pop(function):
                self._all.discard(process)
                self._count[function] -= 1
                process.stop()


def _variables(function: Deployed, task: Path, results: int) -> dict[str, str]:
    today = time.strftime("%Y/%m/%d", time.gmtime())
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **address.environment(address.endpoint()),
        # The server's own credentials, which are those of the stand-in for Bedrock where one runs.
        **{name: os.environ[name] for name in address.CREDENTIALS if name in os.environ},
        **{name: address.within_the_vpc(value) for name, value in function.variables},
        "HOME": tempfile.gettempdir(),
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": str(task),
        "AWS_EXECUTION_ENV": "AWS_Lambda_python",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{today}/[{function.version}]{uuid.uuid4().hex}",
        "_HANDLER": function.handler,
        "_RESULTS": str(results),
        "_EXCLUDED_PATH": str(_ROOT),
    }


def _ended(request_id: str, overran_s: float | None) -> dict[str, Any]:
    if overran_s is not None:
        message, kind = f"{request_id} Task timed out after {overran_s:.2f} seconds", "Sandbox.Timedout"
    else:
        message, kind = f"RequestId: {request_id} Error: Runtime exited", "Runtime.ExitError"
    return {"ok": False, "payload": json.dumps({"errorMessage": message, "errorType": kind})}
