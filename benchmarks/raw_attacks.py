"""What an attacker writes to the page's port that no client of HTTP would, and connections that stand open."""
from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from .attacks import PHOTO, Answer, Attack
from .running_page import Visitor

HOSTS = ("evil.example", "localhost.evil.example", "", " ", "127.0.0.1:x", "[::1", "localhost@evil.example", "\xff",
         "169.254.169.254", "x" * 5000, "127.0.0.1, evil.example", "localhost/../x", "0", "127.1",
         "[::ffff:127.0.0.1]")
ORIGINS = ("http://evil.example", "null", "", "file://", "http://localhost:1", "x" * 5000,
           "http://127.0.0.1@evil.example")
HEADERS = ("Cookie: " + "a=b; " * 3000, "X: " + "y" * 60_000, "Range: bytes=0-,-1,5-2,99999999999999999999-",
           "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 5\r\nContent-Length: 6",
           "Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: gzip", "Content-Encoding: gzip",
           "Transfer-Encoding: chunked", "Connection: close, upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x",
           "No colon", " folded: x", "X\0: y", "X: \0", "Content-Type: application/json; charset=utf-99",
           "Content-Type: " + "a" * 9000, "X-Forwarded-For: " + "1.2.3.4, " * 900, "X-Forwarded-For: \xff",
           "X-Forwarded-Proto: javascript", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example",
           "X-Forwarded-Prefix: //evil.example", "Accept-Language: " + "a," * 9000,
           "Accept-Encoding: " + "gzip;q=0.1," * 900, "Expect: 100-continue",
           "Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
           "If-None-Match: \"x\"", "If-Modified-Since: never", "Authorization: Basic !!!!", "x-gradio-user: app",
           "x-gradio-server: http://evil.example", "\r\n".join(f"X{number}: y" for number in range(200)))
LINES = ("GET", "GET /", "GET / HTTP/9.9", "GET http://evil.example/ HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1",
         "TRACE / HTTP/1.1", "PATCH / HTTP/1.1", "DELETE /gradio_api/upload HTTP/1.1",
         "PUT /gradio_api/file=x HTTP/1.1", "OPTIONS * HTTP/1.1", "get / http/1.1", "GET /%00 HTTP/1.1",
         "GET /%ff%fe HTTP/1.1", "GET //evil.example HTTP/1.1", "GET /\\evil.example HTTP/1.1",
         "GET /?" + "a=b&" * 9000 + " HTTP/1.1", "GET /" + "a" * 60_000 + " HTTP/1.1",
         "GET /" + "../" * 300 + "etc/passwd HTTP/1.1", "GET /..;/..;/ HTTP/1.1",
         "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "PRI * HTTP/2.0", "\0" * 100, "GET /\tx HTTP/1.1",
         "GET  /  HTTP/1.1", "M-SEARCH * HTTP/1.1", "HEAD / HTTP/1.1", "HEAD /gradio_api/file=/etc/passwd HTTP/1.1",
         "GET /gradio_api/heartbeat/x%0aTraceback HTTP/1.1")
CHUNKS = (b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nx", b"-5\r\nx", b"5;" + b"x" * 50_000 + b"\r\nhello",
          b"zz\r\n", b"5\r\nhello", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n",
          b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
SLOW = 300  # connections that stand open


def raw_requests(visitor: Visitor) -> Iterator[Attack]:
    netloc = urlsplit(visitor.address).netloc
    requests = {}
    for host in HOSTS:
        for line in ("GET / HTTP/1.1", "POST /gradio_api/upload HTTP/1.1", "GET /config HTTP/1.1"):
            requests["host", f"{line} for {host[:60]}"] = f"{line}\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode(
                "latin1")
    requests["host", "two"] = f"GET / HTTP/1.1\r\nHost: {netloc}\r\nHost: evil.example\r\n\r\n".encode()
    requests["host", "none"] = b"GET / HTTP/1.0\r\n\r\n"
    for origin in ORIGINS:
        for path in ("queue/join", "upload", "component_server", "cancel"):
            requests["host", f"{path} from {origin[:60]}"] = (
                f"POST /gradio_api/{path} HTTP/1.1\r\nHost: {netloc}\r\nOrigin: {origin}\r\nContent-Length: 2\r\n"
                "Content-Type: application/json\r\n\r\n{}").encode()
    for header in HEADERS:
        for line in ("GET / HTTP/1.1", "POST /gradio_api/queue/join HTTP/1.1", "POST /gradio_api/upload HTTP/1.1"):
            whole = f"{line}\r\nHost: {netloc}\r\n{header}\r\n\r\n"
            requests["header", f"{line} {header[:60]!r}"] = whole.encode("latin1")
    for line in LINES:
        requests["header", repr(line[:60])] = f"{line}\r\nHost: {netloc}\r\n\r\n".encode("latin1")
    for chunks in CHUNKS:
        for path in ("queue/join", "upload", "component_server"):
            requests["header", f"{path} in chunks {chunks[:30]!r}"] = (
                f"POST /gradio_api/{path} HTTP/1.1\r\nHost: {netloc}\r\nTransfer-Encoding: chunked\r\n"
                "Content-Type: application/json\r\n\r\n").encode() + chunks
    for (kind, what), data in requests.items():
        yield Attack(kind, what, lambda kind=kind, data=data: _refused(_write(netloc, data)) if kind == "host"
                     else _write(netloc, data))


def _refused(answer: Answer) -> Answer:
    """What comes of a request that must not be let in."""
    return ("let in", answer[1]) if answer[0] == "complete" else answer


def _write(netloc: str, data: bytes, patience: float = 2.0) -> Answer:
    """What comes back of these bytes: ("http", status and text), or that the connection ended or waits for more."""
    host, port = netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=patience) as raw:
        said = b""
        with suppress(OSError):  # among them a TimeoutError
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while len(said) < 10_000 and (more := raw.recv(10_000)):
                said += more
    head, _, text = said.decode("latin1").partition("\r\n\r\n")
    status = head.split(" ")[1] if head.startswith("HTTP/") and " " in head else "400 no answer"
    return ("complete", text) if status[0] in "123" else ("http", f"{status} {text}")


def standing_connections(visitor: Visitor) -> Iterator[Attack]:
    """Many connections that begin a request and never end it, while somebody else asks for a photo."""
    netloc = urlsplit(visitor.address).netloc
    host, port = netloc.split(":")
    get, rest = "GET /gradio_api/", f" HTTP/1.1\r\nHost: {netloc}\r\n"
    starts = {"nothing": "", "a header": f"GET /{rest}X: ", "a heartbeat": f"{get}heartbeat/x{rest}\r\n",
              "a body": f"POST /gradio_api/queue/join{rest}Content-Length: 999\r\n\r\n[",
              "a listener": f"{get}queue/data?session_hash=x{rest}\r\n",
              "an upload's progress": f"{get}upload_progress?upload_id=x{rest}\r\n"}

    def ask(start: str) -> Answer:
        with ExitStack() as stack:
            for _ in range(SLOW):
                stack.enter_context(socket.create_connection((host, int(port)))).sendall(start.encode())
            return visitor.estimate("hand.jpg", PHOTO.read_bytes())

    for what, start in starts.items():
        yield Attack("standing", f"{SLOW} connections with {what}", lambda start=start: ask(start))
