"""The queue before the page's work, in which visitors take turns: who asks for much waits behind those who do not."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import gradio as gr
from starlette.exceptions import HTTPException

MOST_WAITING = 100  # requests; who comes then is told to try again
MOST_OF_ADDRESS = 40  # of them; the visitors of one house may share an address
MOST_OF_VISITOR = 8
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
        who = visitor_of(request, body.session_hash)
        waiting = [visitor(event) for line in queue.event_queue_per_concurrency_id.values() for event in line.queue]
        if waiting.count(who) >= MOST_OF_VISITOR or sum(one[0] == who[0] for one in waiting) >= MOST_OF_ADDRESS:
            raise HTTPException(429, BUSY)
        answer = await push(body, request, username)
        for line in queue.event_queue_per_concurrency_id.values():
            line.queue[:] = in_turn(in_turn(line.queue, visitor), lambda event: visitor(event)[0])
        return answer

    queue.push = fair_push
