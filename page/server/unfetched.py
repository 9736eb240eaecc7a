"""Answers that nobody fetches, each of which may be as large as a picture, are not kept for ever."""
from __future__ import annotations

import time
from collections import OrderedDict

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

KEPT_S = 60.0  # a browser listens all the time, and a program asks as soon as it has been told where


def forget_unfetched(page: gr.Blocks) -> None:
    """Has the queue of a Blocks forget what it would tell a session that has not listened for KEPT_S."""
    queue = page._queue
    send = queue.send_message
    answered: OrderedDict[str, float] = OrderedDict()  # when a session got its last answer, the oldest first

    def send_and_forget(event, message) -> None:
        send(event, message)
        now = time.monotonic()
        if isinstance(message, ProcessCompletedMessage):
            answered[event.session_hash] = now
            answered.move_to_end(event.session_hash)
        while answered and now - next(iter(answered.values())) > KEPT_S:
            session, _ = answered.popitem(last=False)
            messages = queue.pending_messages_per_session.get(session)
            at_work = any(event.session_hash == session for event in queue.event_ids_to_events.values())
            if messages is not None and not messages.empty() and not at_work:
                queue.pending_messages_per_session.pop(session)
                queue.pending_event_ids_session.pop(session, None)

    queue.send_message = send_and_forget
