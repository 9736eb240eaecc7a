"""What a page must not keep, log or hold up however it is asked."""
import asyncio
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.server_messages import HeartbeatMessage, ProcessCompletedMessage

from benchmarks.running_page import JSON, Visitor
from handpose import load_photo
from page.server import unfetched
from page.server.faults import NOT_UNDERSTOOD, is_own, refuse_in_sentences
from page.server.gate import LARGEST_MESSAGE


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


def test_only_what_goes_through_the_page_s_own_work_is_its_fault():
    with pytest.raises(Exception) as own:
        load_photo(object())
    with pytest.raises(Exception) as others:
        gr.Slider(0, 1).preprocess({})
    assert is_own(own.value) and not is_own(others.value)


def test_a_fault_of_the_page_s_is_raised_and_a_senseless_request_is_refused():
    async def process(work):
        return work()

    page = SimpleNamespace(process_api=process)
    refuse_in_sentences(page)
    assert asyncio.run(page.process_api(lambda: {"data": 1})) == {"data": 1}
    with pytest.raises(TypeError):
        asyncio.run(page.process_api(lambda: load_photo(object())))
    with pytest.raises(gr.Error) as refusal:
        asyncio.run(page.process_api(lambda: {}["data"]))
    assert refusal.value.message == NOT_UNDERSTOOD and not refusal.value.print_exception


SENSELESS = [
    ("/component_server", {"component_id": 10**9, "fn_name": "follow", "data": None, "session_hash": "x"}),
    ("/call/v2/nowhere", {}), ("/queue/join", {"data": [], "fn_index": -1, "session_hash": "x"}),
    ("/queue/join", {"data": [], "fn_index": 0, "session_hash": ""}), ("/call/nowhere", {"data": []}),
    ("/queue/join", {"data": [], "fn_index": 0, "session_hash": "x", "event_data": {"target": {}}, "batched": True})]


@pytest.mark.parametrize("path, body", SENSELESS)
def test_senseless_requests_are_refused_and_leave_no_traceback(running_page, path, body):
    http = Visitor(running_page.address).http
    answer = http.post(path, json=body)
    assert answer.status_code in (400, 404, 422) or (path == "/queue/join" and answer.status_code == 200), answer.text
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
