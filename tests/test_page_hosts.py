"""Under which names the page answers, and where it listens."""
import socket
import subprocess
import sys

import pytest

from benchmarks.running_page import ROOT, Visitor
from page.server.hosts import Hosts, told_port

OWN = ["localhost", "localhost:7860", "LOCALHOST:7860", "127.0.0.1:7860", "[::1]:7860", "[::1]"]
OTHERS = ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example",
          "evil.example@localhost", "localhost@evil.example", "169.254.169.254", "192.168.0.7:7860", "", ":7860",
          "localhost/evil", "[::1", "[", "localhost:x@evil.example", "127.0.0.1#evil.example",
          "127.0.0.1?evil.example", "0.0.0.0:7860", "127.1"]


@pytest.fixture
def hosts(monkeypatch):
    def of(**environment: str) -> Hosts:
        for name in ("HANDPOSE_HOSTS", "GRADIO_SERVER_NAME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Hosts.of_environment()
    return of


@pytest.mark.parametrize("listens", [None, "127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_a_page_for_this_machine_answers_to_its_names_alone(hosts, listens):
    own = hosts(**({"GRADIO_SERVER_NAME": listens} if listens else {}))
    assert [host for host in OWN if own.refusal([host], [], False)] == []
    assert [host for host in OTHERS if not own.refusal([host], [], False)] == []
    assert own.refusal([], [], False) and own.refusal(["localhost", "evil.example"], [], False)


def test_a_page_for_everybody_answers_to_any_name_unless_names_are_listed(hosts):
    for listens in ("0.0.0.0", "::", "192.168.0.7"):
        public = hosts(GRADIO_SERVER_NAME=listens)
        assert not any(public.refusal([host], ["https://a.example"], True) for host in OTHERS)
    listed = hosts(GRADIO_SERVER_NAME="0.0.0.0", HANDPOSE_HOSTS="hands.example, www.hands.example")
    for host in ("hands.example", "hands.example:8443", "WWW.hands.example", "localhost:7860"):
        assert not listed.refusal([host], [], True)
    assert listed.refusal(["evil.example"], [], False)


def test_other_sites_may_read_nothing_into_it(hosts):
    own, listed = hosts(), hosts(HANDPOSE_HOSTS="hands.example")
    for origin, accepted in (("http://localhost:7860", True), ("http://localhost:3000", False), ("null", False),
                             ("http://evil.example", False), ("http://evil.example:7860", False), ("", False)):
        assert (own.refusal(["localhost:7860"], [origin], True) is None) == accepted, origin
        assert own.refusal(["localhost:7860"], [origin], False) is None  # without permission it can read no answer
    assert not listed.refusal(["hands.example"], ["https://hands.example:8443"], True)  # the proxy's port
    assert listed.refusal(["hands.example"], ["https://evil.example"], True)
    assert listed.refusal(["hands.example"], ["http://localhost:3000"], True)


def test_the_running_page_refuses_others_before_anything_else(running_page):
    http = Visitor(running_page.address).http
    own, other = running_page.address.removeprefix("http://"), {"Host": "evil.example"}
    for method, path in (("GET", "/"), ("GET", "/config"), ("OPTIONS", "/"), ("POST", "/gradio_api/upload"),
                         ("POST", "/gradio_api/call/estimate"), ("GET", "/gradio_api/queue/data?session_hash=1"),
                         ("GET", "/gradio_api/heartbeat/1"), ("POST", "/gradio_api/component_server"),
                         ("GET", "/nowhere")):
        answer = http.request(method, running_page.address + path, headers=other)
        assert answer.status_code == 403 and "evil.example" not in str(answer.headers), path
    preflight = {**other, "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert http.options("/upload", headers=preflight).status_code == 403
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert http.post("/queue/join", json={}, headers={"Origin": origin}).status_code == 403
    assert http.post("/queue/join", json={}, headers={"Origin": f"http://{own}"}).status_code == 422
    assert http.get("/app_id", headers={"Host": own.replace("127.0.0.1", "localhost")}).status_code == 200
    with socket.create_connection(own.split(":")) as raw:
        raw.sendall(f"GET /gradio_api/x HTTP/1.1\r\nHost: {own}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        assert raw.recv(100).split()[1].startswith(b"4")


def test_what_the_page_does_not_use_is_closed(running_page):
    http = Visitor(running_page.address).http
    for path in ("/run/estimate", "/api/estimate", "/vibe-edit", "/process_recording", "/stream/1"):
        assert http.post(path, json={"data": []}).status_code == 404, path
    for path in ("/proxy=https://huggingface.co/", "/deep_link?session_hash=1", "/file/etc/passwd", "/vibe-code"):
        assert http.get(path).status_code == 404, path
    assert http.get(f"{running_page.address}/monitoring").status_code == 404


@pytest.mark.parametrize("told", ["70000", "0", "http", "-1", "7860.5", "٣", "9" * 5000])
def test_a_port_is_a_number(monkeypatch, told):
    monkeypatch.setenv("GRADIO_SERVER_PORT", told)
    with pytest.raises(ValueError, match="from 1 to 65535"):
        told_port()


def test_a_port_that_is_taken_is_said_in_a_sentence(running_page, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", running_page.address.rsplit(":", 1)[1])
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = subprocess.run([sys.executable, ROOT / "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr.strip().splitlines()[-1].startswith("Port ")
    assert "Traceback" not in done.stderr and "Running on" not in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
