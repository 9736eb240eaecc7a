"""What a page must not keep, log or hold up however it is asked."""
import asyncio
import json
import socket
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.server_messages import HeartbeatMessage, ProcessCompletedMessage
from page_steps import run_apart

from benchmarks.running_page import JSON, Visitor
from handpose import load_photo
from handpose.clips.reading import Cancelled
from page.server import unfetched
from page.server.cores import asker
from page.server.fair_queue import share_fairly
from page.server.faults import FAILED, NOT_UNDERSTOOD, is_own, refuse_in_sentences
from page.server.gate import LARGEST_MESSAGE
from page.tabs.video import InTurn


def test_answers_that_nobody_fetches_are_forgotten(monkeypatch):
    sent = []
    queues = {name: asyncio.Queue() for name in ("unfetched", "fetched", "works on", "new")}
    for name in ("unfetched", "works on"):
        queues[name].put_nowait("answer")
    queue = SimpleNamespace(send_message=lambda event, message: sent.append(event.session_hash),
                            pending_messages_per_session=dict(queues), pending_event_ids_session=dict(queues),
                            event_ids_to_events={1: SimpleNamespace(session_hash="works on")})
    unfetched.forget_unfetched(SimpleNamespace(_queue=queue))
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr(unfetched.time, "monotonic", lambda: next(clock))
    for name in ("unfetched", "fetched", "works on"):
        queue.send_message(SimpleNamespace(session_hash=name), ProcessCompletedMessage(output={}, success=True))
    assert set(queue.pending_messages_per_session) == {"fetched", "works on", "new"}
    for _ in range(3):
        queue.send_message(SimpleNamespace(session_hash="new"), HeartbeatMessage())
    assert set(queue.pending_messages_per_session) == {"fetched", "works on", "new"}
    assert set(queue.pending_event_ids_session) == {"fetched", "works on", "new"} and len(sent) == 6


class Job(SimpleNamespace):
    """An event of Gradio's queue of clips."""

    def __init__(self, address: str):
        request = SimpleNamespace(client=(address, 1))
        super().__init__(request=request, session_hash="x", _id="y", concurrency_id="x")


@pytest.mark.parametrize("limit, at_work, next_one", [
    (3, "a", "a"), (3, "aa", "b"), (3, "ab", "c"), (3, "", "a"), (2, "a", "a"), (None, "aa", "a"),
    (5, "aa", "a"), (5, "aaa", "b"), (5, "aab", "b"), (5, "aabb", "c")])
def test_who_has_places_gets_another_only_while_more_are_free(limit, at_work, next_one):
    waiting = [Job(address) for address in "aabc"]
    line = SimpleNamespace(queue=list(waiting), concurrency_limit=limit, current_concurrency=len(at_work))
    queue = SimpleNamespace(push=None, get_events=lambda: line.queue.pop(0), event_queue_per_concurrency_id={"x": line},
                            active_jobs=[*([Job(address)] for address in at_work), None], process_events=None)
    share_fairly(SimpleNamespace(_queue=queue))
    assert queue.get_events().request.client[0] == next_one and len(line.queue) == 3


def test_a_clip_that_was_called_off_goes_no_further():
    tracker = SimpleNamespace(guess_camera=None, reset=None, hand_models=None)
    with pytest.raises(Cancelled):
        InTurn(tracker, lambda: True)(None, 0, None)


def test_who_asks_is_known_where_the_work_is_done():
    async def process_events(events, batch):
        worked_for.append((await asyncio.to_thread(asker.get), batch))

    worked_for, queue = [], SimpleNamespace(push=None, get_events=None, process_events=process_events)
    share_fairly(SimpleNamespace(_queue=queue))
    for address in ("1.1.1.1", "2.2.2.2"):
        run_apart(queue.process_events([Job(address)], False))
    assert worked_for == [("1.1.1.1", False), ("2.2.2.2", False)]


def test_only_what_goes_through_the_page_s_own_work_is_its_fault():
    with pytest.raises(Exception) as own:
        load_photo(object())
    with pytest.raises(Exception) as others:
        gr.Slider(0, 1).preprocess({})
    assert is_own(own.value) and not is_own(others.value)


def test_a_fault_of_the_page_s_is_logged_and_a_senseless_request_is_refused(caplog):
    async def process(work):
        return work()

    page = SimpleNamespace(process_api=process)
    refuse_in_sentences(page)
    assert run_apart(page.process_api(lambda: {"data": 1})) == {"data": 1}
    with pytest.raises(gr.Error) as failure:  # of which whoever asked hears as much as this
        run_apart(page.process_api(lambda: load_photo(object())))
    assert failure.value.message == FAILED and not failure.value.print_exception
    assert caplog.records[-1].exc_info[0] is TypeError
    with pytest.raises(gr.Error) as refusal:
        run_apart(page.process_api(lambda: {}["data"]))
    assert refusal.value.message == NOT_UNDERSTOOD and not refusal.value.print_exception


SENSELESS = [
    ("/component_server", {"component_id": 10**9, "fn_name": "follow", "data": None, "session_hash": "x"}),
    ("/call/v2/nowhere", {}), ("/queue/join", {"data": [], "fn_index": -1, "session_hash": "x"}),
    *(("/queue/join", {"data": [], "fn_index": 0, "session_hash": session})
      for session in ("", "\udfff", "a\nb", "x" * 65, "../x")), ("/call/nowhere", {"data": []}),
    ("/queue/join", {"data": [], "fn_index": 0, "session_hash": "x", "event_data": {"target": {}}, "batched": True})]


@pytest.mark.parametrize("path, body", SENSELESS)
def test_senseless_requests_are_refused_and_leave_no_traceback(running_page, path, body):
    http = Visitor(running_page.address).http
    answer = http.post(path, content=json.dumps(body), headers=JSON)
    assert answer.status_code in (400, 404, 422) or (path == "/queue/join" and answer.status_code == 200), answer.text
    assert "Traceback" not in running_page.log.read_text()


def test_what_is_no_http_is_refused_and_leaves_no_traceback(running_page):
    host, port = running_page.address.removeprefix("http://").split(":")
    for path in ("upload", "queue/join", "component_server"):
        for body in (b"zz\r\n", b"-5\r\nx", b"5\r\nhello"):
            with socket.create_connection((host, port)) as raw:
                raw.sendall(f"POST /gradio_api/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked\r\n"
                            "\r\n".encode() + body)
                raw.shutdown(socket.SHUT_WR)
                assert raw.recv(100)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 411", b"HTTP/1.1 422", b""), path
    assert "Traceback" not in running_page.log.read_text()


def test_inputs_that_fit_no_event_are_answered_and_leave_no_traceback(running_page):
    visitor = Visitor(running_page.address)
    answers = [visitor.event(event["id"], [{"x": []}] * len(event["inputs"]), f"odd{event['id']}")
               for event in visitor.config()["dependencies"]]
    assert {kind for kind, _ in answers} <= {"complete", "error", "http"}
    assert NOT_UNDERSTOOD in str(answers) and "Traceback" not in running_page.log.read_text()


def test_a_message_of_many_values_is_too_large(running_page):
    http = Visitor(running_page.address).http
    for path in ("/queue/join", "/call/estimate", "/cancel", "/reset"):
        said = http.post(path, content=b'{"data": [' + b"{}," * (LARGEST_MESSAGE // 3) + b"{}]}", headers=JSON)
        assert said.status_code == 413, path
