"""What stands before Gradio: every request passes here first, and every answer last."""
from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from h11 import LocalProtocolError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .cores import asker
from .fair_queue import BUSY
from .faults import FAILED, NOT_UNDERSTOOD, is_own
from .hosts import Hosts
from .loop_time import LoopTime
from .room import Room
from .uploads import LARGEST_CLIP, is_served

API = "/gradio_api/"
# What Gradio offers and this page has no use for: fetching other hosts' files, writing states and
# recordings to the disk, changing the program. ("run/" stays open: the page's own events without a queue take it, and
# Gradio itself refuses calls of the others there.)
CLOSED = tuple(API + path for path in ("proxy=", "api/", "stream/", "file/", "deep_link", "process_recording",
                                       "vibe-", "dev/", "custom_component/")) + ("/monitoring",)
LARGEST_MESSAGE = 100_000  # bytes: paths, numbers and words; many small values take long to look through
LARGEST_FRAME = 3_000_000  # bytes of a picture of the live view
LARGEST_MCP = 32_000_000  # bytes: a photo as a data: address
LARGEST = {"component_server": LARGEST_FRAME, "mcp": LARGEST_MCP}  # by the path's first part after API
MULTIPART = 10_000  # bytes around an uploaded file
UPLOADS_AT_ONCE, UPLOADS_OF_ADDRESS = 64, 8
PATIENCE_S = 20.0  # for a place among an address's uploads, and for an upload's next bytes
SLOWEST = 20_000  # bytes a second of an upload, on average, once it has taken PATIENCE_S
SPACES = "https://huggingface.co"  # which shows a Space's page inside its own

log = logging.getLogger(__name__)


class Refusal(HTTPException):
    """A status and a sentence, which Gradio's application answers with, too, where it meets one while it reads."""


class Gate:
    """An ASGI application around Gradio's."""

    def __init__(self, app: ASGIApp, hosts: Hosts, room: Room):
        self.app, self.hosts, self.room = app, hosts, room
        self.loop_time = LoopTime()
        self.whole_page = GZipMiddleware(app, compresslevel=6)  # which Gradio itself would send as it is
        self.uploading: Counter[str] = Counter()  # uploads under way, by address
        self.coming = 0  # bytes that these have yet to bring
        embedders = f"'self' {SPACES}" if os.environ.get("SPACE_ID") else "'self'"
        self.framing = f"frame-ancestors {embedders}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # which nothing here uses
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        asker.set(address)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        send, begun = self._with_headers(send, path), []
        words = PlainTextResponse if path.startswith(f"{API}upload") else _detail

        async def refuse(sentence: str, status: int) -> None:
            with suppress(LocalProtocolError):  # uvicorn itself has refused what came of the request meanwhile
                await words(sentence, status)(scope, receive, send)

        async def sent(message: Message) -> None:
            begun.append(message)
            await send(message)

        try:
            self._check(scope, path)
            if not await self.loop_time.turn(address):
                raise Refusal(429, BUSY)
            await self.loop_time.charged(address, self._pass_on(scope, receive, sent, path))
        except Refusal as refusal:
            await refuse(refusal.detail, refusal.status_code)
        except Exception as error:
            own = is_own(error)
            if own:
                log.exception("A request for %r could not be answered.", path[:200])
            if not begun:
                await refuse(FAILED if own else NOT_UNDERSTOOD, 500 if own else 400)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Has Gradio answer. Raises Refusal for what is too large or has no place."""
        if path.rstrip("/") == f"{API}upload":
            async with self._upload(scope, receive) as limited:
                await self.app(scope, limited, send)
        else:
            largest = LARGEST.get(path.removeprefix(API).partition("/")[0], LARGEST_MESSAGE)
            app = self.whole_page if path == "/" else self.app
            await app(scope, _limited(scope, receive, largest), send)

    def _check(self, scope: Scope, path: str) -> None:
        """Raises Refusal for what is not let in."""
        headers = Headers(scope=scope)
        reason = self.hosts.refusal(headers.getlist("host"), headers.getlist("origin"),
                                    scope["method"] not in ("GET", "HEAD", "OPTIONS"))
        if reason:
            raise Refusal(403, reason)
        if path.startswith(CLOSED):
            raise Refusal(404, "This page has no such address.")
        if path.startswith(f"{API}file=") and not is_served(path.removeprefix(f"{API}file=")):
            raise Refusal(403, "This page has no such file.")

    @asynccontextmanager
    async def _upload(self, scope: Scope, receive: Receive) -> AsyncIterator[Receive]:
        """Lets an upload in when its address has a place and the folder has room. Raises Refusal."""
        address, size = asker.get(), _size(scope)
        if size is None:
            raise Refusal(411, "An upload must tell its size: send a Content-Length.")
        if size > LARGEST_CLIP + MULTIPART:
            raise Refusal(413, f"A file may have {LARGEST_CLIP // 1_000_000} MB at most.")
        deadline = time.monotonic() + PATIENCE_S
        while self.uploading[address] >= UPLOADS_OF_ADDRESS or self.uploading.total() >= UPLOADS_AT_ONCE:
            if time.monotonic() > deadline:
                raise Refusal(429, "Many files are on their way already: try again in a moment.")
            await asyncio.sleep(0.05)
        self.uploading[address] += 1
        left, began = size, time.monotonic()
        self.coming += size

        async def received() -> Message:
            nonlocal left
            try:
                message = await asyncio.wait_for(receive(), PATIENCE_S if left else None)
            except asyncio.TimeoutError:
                raise Refusal(408, "The upload stopped on its way: send the file again.") from None
            came = min(len(message.get("body", b"")), left)
            left, self.coming = left - came, self.coming - came
            took = time.monotonic() - began
            if left and took > PATIENCE_S and (size - left) / took < SLOWEST:
                raise Refusal(408, "The upload is too slow: send the file again over a better connection.")
            return message

        try:
            # Its own bytes are part of what is coming only once it was let in.
            if not await run_in_threadpool(self.room.make, size, self.coming - size):
                while left and (await received())["type"] != "http.disconnect":  # else the answer would not arrive
                    pass
                raise Refusal(507, "The page has no room for the file at the moment: try again in a minute.")
            yield received
        finally:
            self.coming -= left
            self.uploading[address] -= 1
            self.uploading += Counter()  # drops those that are back at zero

    def _with_headers(self, send: Send, path: str) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                # A visitor's file runs nothing here, even where a browser shows it.
                sandbox = "sandbox; default-src 'none'; " if path.startswith(f"{API}file=") else ""
                headers["Content-Security-Policy"] = sandbox + self.framing
            await send(message)
        return sent


def _limited(scope: Scope, receive: Receive, largest: int) -> Receive:
    """The request's messages, which may have `largest` bytes in all. Raises Refusal, at once or when more come."""
    too_large = Refusal(413, "The request is too large.")
    if (_size(scope) or 0) > largest:
        raise too_large
    came = 0

    async def received() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > largest:
            raise too_large
        return message
    return received


def _size(scope: Scope) -> int | None:
    """Bytes of the request's body, as its Content-Length tells; None if there is none."""
    told = Headers(scope=scope).get("content-length", "")
    return int(told[:20]) if told.isascii() and told.isdecimal() else None


def _detail(sentence: str, status: int) -> JSONResponse:
    """An answer as FastAPI gives it, which Gradio's clients show."""
    return JSONResponse({"detail": sentence}, status)


def guard(hosts: Hosts, room: Room) -> Callable:
    """A FastAPI lifespan that sets the gate before everything of an application's, Gradio's own CORS included, which
    would answer the preflight requests of any site."""
    @asynccontextmanager
    async def lifespan(app) -> AsyncIterator[None]:
        # In the place of Starlette's outermost layer, which logs whatever a request made Gradio raise.
        app.middleware_stack = Gate(app.middleware_stack.app, hosts, room)
        yield
    return lifespan
