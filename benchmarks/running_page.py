"""The page in a process of its own, and its endpoints over plain HTTP, for what measures and tests it from outside."""
from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT = 900  # seconds
JSON = {"Content-Type": "application/json"}


class RunningPage:
    """`app.py` of a folder, listening on a free port of this machine; a context.

    Its temporary files lie in `folder`/files and what it prints in `folder`/log.txt.
    """

    def __init__(self, folder: Path, root: Path = ROOT, python: str = sys.executable):
        self.folder, self.root = Path(folder), Path(root)
        self.command = [python, str(self.root / "app.py")]
        self.files, self.log = self.folder / "files", self.folder / "log.txt"
        self.process: subprocess.Popen | None = None
        self.cores: list[int] | None = None  # that it may use; all by default

    def __enter__(self) -> RunningPage:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.files.mkdir(parents=True, exist_ok=True)
        self.address = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port),
                       "TMPDIR": str(self.files), "TEMP": str(self.files)}
        environment.pop("GRADIO_TEMP_DIR", None)
        with self.log.open("a") as out:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=environment, stdout=out,
                                            stderr=subprocess.STDOUT)
        if self.cores is not None:
            os.sched_setaffinity(self.process.pid, self.cores)
        deadline = time.monotonic() + START_LIMIT
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"The page did not start:\n{self.log.read_text()}")
            try:
                httpx.get(self.address, timeout=5).raise_for_status()
                return self
            except httpx.HTTPError:
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Ends it as a crash or a power cut would: it cannot clean up."""
        self.process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.wait(30)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def memory(self) -> int:
        """Bytes of memory that the process has now (Linux)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise OSError("The page's process has ended.")


class Visitor:
    """A program that uses the page: its uploads and calls, over one connection.

    `own` is an address of this machine from which it asks: on Linux, each of 127.0.0.0/8 is one.
    """

    def __init__(self, address: str, timeout: float = 120, own: str | None = None):
        self.address = address
        self.http = httpx.Client(base_url=f"{address}/gradio_api", timeout=timeout,
                                 transport=httpx.HTTPTransport(local_address=own))

    def upload(self, name: str, data: bytes) -> dict:
        """Uploads a file; returns what a call takes for it. Raises httpx.HTTPStatusError."""
        answer = self.http.post("/upload", files={"files": (name, data, "application/octet-stream")})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def call(self, endpoint: str, *inputs: Any) -> tuple[str, Any]:
        """Calls an endpoint; returns ("complete", its outputs) or ("error" or "http", what was said)."""
        content = json.dumps({"data": inputs})  # NaN and infinity included, which httpx would not send
        asked = self.http.post(f"/call/{endpoint}", content=content, headers=JSON)
        if asked.is_error:
            return "http", f"{asked.status_code} {asked.text}"
        event = "error"
        with self.http.stream("GET", f"/call/{endpoint}/{asked.json()['event_id']}") as lines:
            for line in lines.iter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    event = value
                elif key == "data" and event in ("complete", "error"):
                    return event, json.loads(value)
        return "error", "the page answered nothing"

    def estimate(self, name: str, data: bytes, **options: Any) -> tuple[str, Any]:
        """Uploads a photo and asks for its hands; as `call`, with the one answer instead of a list of it."""
        defaults = {"focal_px": None, "fov_deg": None, "most_hands": 10, "min_score": 0.5, "mirrored": False,
                    "camera": None, "boxes": None}
        event, answer = self.call("estimate", self.upload(name, data), *(defaults | options).values())
        return event, answer[0] if event == "complete" else answer

    def config(self) -> dict:
        """What the page tells browsers of itself: its "components" and, as "dependencies", its events."""
        return self.http.get(f"{self.address}/config").raise_for_status().json()

    def event(self, number: int, inputs: Any, session: str) -> tuple[str, Any]:
        """One of the page's own events, which browsers start by number; as `call`."""
        asked = self.http.post("/queue/join", content=json.dumps(
            {"data": inputs, "fn_index": number, "session_hash": session}), headers=JSON)
        if asked.is_error:
            return "http", f"{asked.status_code} {asked.text}"
        with self.http.stream("GET", "/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    output = message["output"]
                    return ("complete", output["data"]) if message["success"] else ("error", output)
                if message.get("msg") == "unexpected_error":
                    return "error", message
        return "error", "the page answered nothing"

    def follow(self, component: int, message: Any) -> tuple[str, Any]:
        """A picture of the live view, whose component has this number; as `call`."""
        asked = self.http.post("/component_server", content=json.dumps(
            {"component_id": component, "fn_name": "follow", "data": message, "session_hash": "live"}), headers=JSON)
        return ("http", f"{asked.status_code} {asked.text}") if asked.is_error else ("complete", asked.json())
