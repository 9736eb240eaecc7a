"""Visitors beside one who asks for too much: in the queue, in the live view, and on the disk."""
import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from page_steps import run_apart
from starlette.exceptions import HTTPException

from benchmarks.running_page import ROOT, RunningPage, Visitor
from page.server import room as room_module
from page.server.fair_queue import (
    BUSY,
    MOST_OF_ADDRESS,
    MOST_OF_VISITOR,
    MOST_UNFETCHED,
    NO_EVENT,
    in_turn,
    share_fairly,
)
from page.server.gate import UPLOADS_OF_ADDRESS
from page.server.room import Room
from page.server.turns import Turns
from page.server.uploads import in_use

PHOTO = (ROOT / "tests" / "data" / "hand_right.jpg").read_bytes()
OPTIONS = (None, None, 10, .3, False, None, None)
MEGABYTE = 1_000_000
WAIT = 60  # seconds after which a test gives up


# ---- the queue

def test_everyones_first_comes_before_anyones_second():
    events = [SimpleNamespace(who=who, number=number) for number, who in enumerate("aaaabacab")]
    order = in_turn(events, lambda event: event.who)
    assert "".join(event.who for event in order) == "abcabaaaa"
    assert [event.number for event in order] == [0, 4, 6, 1, 8, 2, 3, 5, 7]


class Line:
    """Gradio's queue, as far as taking turns goes."""
    get_events = process_events = None

    def __init__(self):
        self.event_queue_per_concurrency_id = {"look": SimpleNamespace(queue=[])}
        self.pending_event_ids_session = {"hoards": set(range(MOST_UNFETCHED))}

    async def push(self, body, request, username):
        event = SimpleNamespace(_id=object(), request=request)
        event.session_hash = body.session_hash or event._id
        self.event_queue_per_concurrency_id["look"].queue.append(event)
        return True, event._id, "success"


def test_a_visitor_and_an_address_may_have_a_few_requests_waiting():
    line = Line()
    share_fairly(SimpleNamespace(_queue=line, fns={0: SimpleNamespace(fn=print), 1: SimpleNamespace(fn=None)}))

    def ask(address: str, port: int = 0, session: str | None = None, event: int | None = 0) -> bool:
        try:
            body = SimpleNamespace(session_hash=session, fn_index=event)
            run_apart(line.push(body, SimpleNamespace(client=(address, port)), None))
        except HTTPException as refusal:
            assert (refusal.status_code, refusal.detail) in ((429, BUSY), (404, NO_EVENT))
            return False
        return True

    assert not any(ask("1.1.1.1", event=number) for number in (1, 2, -1, None))  # of the browser alone, or of nobody
    assert not ask("1.1.1.1", session="hoards")  # and fetches no answer
    assert sum(ask("1.1.1.1", session="a") for _ in range(50)) == MOST_OF_VISITOR
    assert sum(ask("1.1.1.1", port=5) for _ in range(50)) == MOST_OF_VISITOR  # a connection without a session
    assert sum(ask("1.1.1.1", session=f"made up {number}") for number in range(50)) == MOST_OF_ADDRESS - 16
    assert ask("2.2.2.2", session="a") and ask("3.3.3.3")
    waiting = [event.request.client[0] for event in line.event_queue_per_concurrency_id["look"].queue]
    assert waiting == ["1.1.1.1", "2.2.2.2", "3.3.3.3"] + ["1.1.1.1"] * (MOST_OF_ADDRESS - 1)


# ---- the live view

class Frames:
    """Frames of visitors in threads, which work until they are told to end."""

    def __init__(self, turns: Turns):
        self.turns, self.began, self.threads = turns, [], []
        self.got: dict[str, bool] = {}
        self.ends: dict[str, threading.Event] = {}

    def send(self, frame: str, address: str, visitor: str) -> None:
        self.ends[frame] = threading.Event()

        def work() -> None:
            with self.turns.turn(address, visitor) as got:
                self.got[frame] = got
                if got:
                    self.began.append(frame)
                    self.ends[frame].wait(WAIT)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()
        until(lambda: frame in self.got or len(self.turns._line) > 0)
        until(lambda: frame in self.got or any(one.visitor == (address, visitor) for one in self.turns._line))

    def finish(self) -> list[str]:
        """Ends every frame in the order in which it got its turn; returns that order."""
        done = 0
        while any(thread.is_alive() for thread in self.threads):
            if len(self.began) > done:
                self.ends[self.began[done]].set()
                done += 1
            time.sleep(.002)
        return self.began


def until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(.001)


def test_a_visitor_has_one_frame_in_work_and_the_newest_waiting():
    frames = Frames(Turns(2, 16, WAIT))
    for number in range(5):
        frames.send(f"a{number}", "1.1.1.1", "a")
    until(lambda: len(frames.got) == 4)  # the first at work, three replaced
    frames.send("b", "2.2.2.2", "b")  # the second place was free all the time
    assert frames.began == ["a0", "b"]
    assert frames.finish() == ["a0", "b", "a4"]
    assert frames.got == {"a0": True, "a1": False, "a2": False, "a3": False, "b": True, "a4": True}


def test_many_names_at_one_address_do_not_go_before_one_name_at_another():
    frames = Frames(Turns(1, 16, WAIT))
    frames.send("first", "1.1.1.1", "flooder")
    for number in range(6):
        frames.send(f"flood{number}", "1.1.1.1", f"flooder{number}")
    frames.send("b", "2.2.2.2", "b")
    frames.send("c", "3.3.3.3", "c")
    order = frames.finish()
    assert set(order[1:4]) >= {"b", "c"} and order[4:] == [f"flood{number}" for number in range(1, 6)]


def test_a_full_line_makes_room_for_those_of_whom_few_stand_in_it():
    frames = Frames(Turns(1, 4, WAIT))
    for number in range(6):
        frames.send(f"flood{number}", "1.1.1.1", f"flooder{number}")
    assert frames.got == {"flood0": True, "flood5": False}  # one at work, four waiting
    frames.send("b", "2.2.2.2", "b")
    until(lambda: frames.got.get("flood4") is False)
    assert "b" in frames.finish()


def test_who_waits_too_long_is_told():
    turns = Turns(1, 4, .05)
    with turns.turn("1.1.1.1", "a") as first:
        with turns.turn("1.1.1.1", "b") as second:
            assert first and not second
    with turns.turn("1.1.1.1", "b") as third:
        assert third


# ---- room on the disk

@pytest.fixture
def room(tmp_path, monkeypatch):
    """Room for ten files or 1,000 bytes, six of which are the page's own."""
    monkeypatch.setattr(room_module, "NEW_S", -1)
    (tmp_path / "own.jpg").write_bytes(bytes(6))
    room = Room(tmp_path, 1000, 10)
    room.own = {tmp_path / "own.jpg"}
    return room


def add(room: Room, name: str, size: int) -> None:
    (room.folder / name).mkdir()
    (room.folder / name / "file").write_bytes(bytes(size))
    time.sleep(.02)  # so that it is older than the next


def left(room: Room) -> list[str]:
    return sorted(path.parent.name for path in room.folder.rglob("file"))


def test_the_oldest_make_room_and_no_more_than_must(room):
    for name in "abcd":
        add(room, name, 200)
    assert room.make(200) and left(room) == list("abcd")
    assert room.make(201) and left(room) == list("bcd")
    assert room.make(200, coming=500) and left(room) == ["d"]
    assert room.make(1000) and left(room) == [] and (room.folder / "own.jpg").exists()
    assert not room.make(1001)


def test_many_small_files_are_too_many(room):
    for name in "abcdefghij":
        add(room, name, 1)
    assert room.make(1) and left(room) == list("bcdefghij")


def test_each_file_is_not_looked_at_for_every_upload(room, monkeypatch):
    looks, files = [], room._files
    monkeypatch.setattr(room, "_files", lambda: looks.append(room.folder) or files())
    assert all(room.make(10) for _ in range(5)) and len(looks) == 1
    monkeypatch.setattr(room_module, "LOOK_EVERY_S", -1)
    assert room.make(10) and len(looks) == 2


def test_what_is_in_use_or_new_stays(room, monkeypatch):
    for name in "abc":
        add(room, name, 300)
    with in_use(room.folder / "a" / "file"), in_use(room.folder / "b"):
        assert not room.make(500) and left(room) == list("ab")
        assert room.make(400) and left(room) == list("ab")
    monkeypatch.setattr(room_module, "NEW_S", WAIT)
    assert not room.make(500) and left(room) == list("ab")


def test_the_disk_has_others_files_too(room, monkeypatch):
    monkeypatch.setattr(room_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=room_module.SPARE + 100))
    assert room.make(100) and not room.make(101) and not room.make(50, coming=51)


@pytest.mark.parametrize("told, size", [("", 4_000_000_000), ("0.5", 500_000_000), ("0", 0), ("-1", 0), ("nan", 0),
                                        ("inf", 0), ("many", 0)])
def test_the_size_is_told_by_a_variable(tmp_path, monkeypatch, told, size):
    monkeypatch.setenv("HANDPOSE_UPLOADS_GB", told)
    if size:
        assert Room.of_environment(tmp_path).most_bytes == size
    else:
        with pytest.raises(ValueError, match="number of gigabytes"):
            Room.of_environment(tmp_path)


# ---- the running page

@pytest.fixture(scope="module")
def small_page(tmp_path_factory):
    """A page with room for 30 MB of files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDPOSE_UPLOADS_GB", "0.03")
        with RunningPage(tmp_path_factory.mktemp("small")) as page:
            yield page


def visitor_at(page: RunningPage, address: str) -> Visitor:
    """A visitor whose requests come through a proxy on this machine."""
    visitor = Visitor(page.address, timeout=WAIT * 5)
    visitor.http.headers["X-Forwarded-For"] = address
    return visitor


def test_twenty_visitors_are_served_beside_one_who_floods_the_queue(small_page):
    flooder, refused, over = visitor_at(small_page, "9.9.9.9"), Counter(), threading.Event()
    flooding = threading.Event()
    file = flooder.upload("hand.jpg", PHOTO)

    def flood() -> None:
        number = 0
        while not over.is_set():
            session = {"session_hash": f"made up {number}"} if number % 2 else {}
            answer = flooder.http.post("/call/estimate", json={"data": [file, *OPTIONS], **session})
            refused[answer.status_code] += 1
            if answer.status_code == 429:
                assert answer.json()["detail"] == BUSY
                flooding.set()
                time.sleep(.05)
            number += 1

    def ask(number: int) -> tuple[str, int]:
        event, answer = visitor_at(small_page, f"1.1.1.{number}").estimate("hand.jpg", PHOTO)
        return event, len(answer["hands"])

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert flooding.wait(WAIT * 5)
        with ThreadPoolExecutor(20) as visitors:
            assert list(visitors.map(ask, range(20))) == [("complete", 1)] * 20
        line = flooder.http.get("/queue/status").json()["queue_size"]
        assert line >= MOST_OF_VISITOR  # nobody waited for the flooder to be served first
    finally:
        over.set()
        thread.join()
    assert refused[200] and refused[429] and set(refused) == {200, 429}


def test_uploads_have_limits_and_answers_that_say_so(small_page):
    visitor = visitor_at(small_page, "7.7.7.7")
    assert "path" in visitor.upload("clip.mp4", bytes(20 * MEGABYTE))
    with pytest.raises(httpx.HTTPStatusError) as refusal:  # nothing is old enough to make room
        visitor.upload("other.mp4", os.urandom(20 * MEGABYTE))
    assert refusal.value.response.status_code == 507 and "no room" in refusal.value.response.text
    assert visitor.estimate("hand.jpg", PHOTO)[0] == "complete"
    assert visitor.http.post("/upload", content=iter([b"x"])).status_code == 411
    assert answer_to(small_page, "3.3.3.3", 600 * MEGABYTE).recv(100).startswith(b"HTTP/1.1 413")
    size = sum(path.stat().st_size for path in small_page.files.rglob("*") if path.is_file())
    assert size < 30 * MEGABYTE


@pytest.mark.parametrize("path", ["/queue/join", "/component_server", "/call/estimate", "/cancel"])
def test_messages_have_a_size(small_page, path):
    http = visitor_at(small_page, "6.6.6.6").http
    assert http.post(path, content=b"[" * 5 * MEGABYTE).status_code == 413
    parts = http.post(path, content=iter([b" " * MEGABYTE] * 5), headers={"Content-Type": "application/json"})
    assert parts.status_code in (400, 413)  # Gradio gives its own answer to one that breaks off


def answer_to(page: RunningPage, address: str, size: int) -> socket.socket:
    """A connection on which an upload of so many bytes has begun."""
    own = page.address.removeprefix("http://")
    raw = socket.create_connection(own.split(":"))
    raw.sendall(f"POST /gradio_api/upload HTTP/1.1\r\nHost: {own}\r\nX-Forwarded-For: {address}\r\n"
                f"Content-Length: {size}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
    return raw


def test_uploads_that_stand_still_end_and_hold_up_nobody_else(small_page):
    stuck = [answer_to(small_page, "5.5.5.5", 1000) for _ in range(UPLOADS_OF_ADDRESS)]
    assert visitor_at(small_page, "4.4.4.4").estimate("hand.jpg", PHOTO)[0] == "complete"
    assert [raw.recv(10_000).split(b" ")[1] for raw in stuck] == [b"408"] * len(stuck)
    assert visitor_at(small_page, "5.5.5.5").estimate("hand.jpg", PHOTO)[0] == "complete"
