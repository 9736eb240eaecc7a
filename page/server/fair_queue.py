"""The queue before the page's work, in which visitors take turns: who asks for much waits behind those who do not."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable

import gradio as gr
from starlette.exceptions import HTTPException

from .cores import asker

MOST_WAITING = 100  # requests; who comes then is told to try again
MOST_OF_ADDRESS = 40  # of them; the visitors of one house may share an address
MOST_OF_VISITOR = 8
MOST_UNFETCHED = 16  # answers of a visitor, those under way included
SESSION = re.compile("[ -~]{1,64}")  # browsers and clients make up letters and digits
NO_SESSION = "A session's name must have up to 64 plain letters and digits: reload the page."
NO_EVENT = "There is no such event on this page: reload it."
BUSY = "Too many of your requests are waiting already: try again when some of them are answered."


def visitor_of(request, session: str | None) -> tuple[str, Hashable]:
    """Who asks: the address and, where the browser or client names none, the connection instead of a session."""
    host, port = request.client or ("", 0)
    return host, session or port


def in_turn(events: list, key: Callable[[object], Hashable]) -> list:
    """The events so that first comes everyone's first one, then everyone's second, ...; else as they came."""
    seen: Counter[Hashable] = Counter()
    rank = {}
    for event in events:
        rank[id(event)] = seen[key(event)]
        seen[key(event)] += 1
    return sorted(events, key=lambda event: rank[id(event)])


def share_fairly(page: gr.Blocks) -> None:
    """Has visitors take turns in the queue of a Blocks, first the addresses and then the visitors of each."""
    queue = page._queue
    push = queue.push

    def visitor(event) -> tuple[str, Hashable]:
        return visitor_of(event.request, None if event.session_hash == event._id else event.session_hash)

    async def fair_push(body, request, username):
        event = page.fns.get(body.fn_index)
        if event is None or event.fn is None:  # the latter's work is done by the browser alone
            raise HTTPException(404, NO_EVENT)
        body.event_data, body.batched = None, False  # of which the page's events make no use
        if body.session_hash is not None and not SESSION.fullmatch(body.session_hash):
            raise HTTPException(400, NO_SESSION)
        who = visitor_of(request, body.session_hash)
        waiting = [visitor(event) for line in queue.event_queue_per_concurrency_id.values() for event in line.queue]
        unfetched = len(queue.pending_event_ids_session.get(body.session_hash, ()))
        if (waiting.count(who) >= MOST_OF_VISITOR or sum(one[0] == who[0] for one in waiting) >= MOST_OF_ADDRESS
                or unfetched >= MOST_UNFETCHED):
            raise HTTPException(429, BUSY)
        answer = await push(body, request, username)
        for line in queue.event_queue_per_concurrency_id.values():
            line.queue[:] = in_turn(in_turn(line.queue, visitor), lambda event: visitor(event)[0])
        return answer

    get_events = queue.get_events

    def fair_events():
        """As Gradio's, but of three or more places an address that holds some gets another only while more than these
        are free (a dynamic threshold; Choudhury and Hahne, 1998): what takes long to decode must not take them all."""
        kept_back = {}
        for name, line in queue.event_queue_per_concurrency_id.items():
            if (line.concurrency_limit or 0) >= 3:
                free = line.concurrency_limit - line.current_concurrency
                held = Counter(visitor(event)[0] for job in queue.active_jobs for event in job or ()
                               if event.concurrency_id == name)
                kept_back[name] = [event for event in line.queue if held[visitor(event)[0]] >= free]
                line.queue[:] = [event for event in line.queue if held[visitor(event)[0]] < free]
        try:
            return get_events()
        finally:
            for name, events in kept_back.items():
                queue.event_queue_per_concurrency_id[name].queue += events

    process_events = queue.process_events

    async def process_for_asker(events, *args):
        asker.set(visitor(events[0])[0])
        await process_events(events, *args)

    queue.push, queue.get_events, queue.process_events = fair_push, fair_events, process_for_asker
