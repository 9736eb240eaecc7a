"""Turns at work that visitors ask for again and again, as they do for the frames of their cameras."""
from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_REMEMBERED = 1000  # visitors and addresses


@dataclass(frozen=True, eq=False)
class _Ticket:
    address: Hashable
    visitor: Hashable  # an address and a name


class Turns:
    """At most `at_once` in work, one of each visitor; of those of a visitor that wait, the newest.

    Next is the address that was served longest ago and of its visitors the one that was: many names at one address get
    no more than one name does. At most `most_waiting` wait, of which an address with many gives its last for another's.
    """

    def __init__(self, at_once: int, most_waiting: int, patience_s: float):
        self.at_once, self.most_waiting, self.patience_s = at_once, most_waiting, patience_s
        self._changed = threading.Condition()
        self._line: list[_Ticket] = []
        self._working: list[_Ticket] = []
        self._served: OrderedDict[Hashable, float] = OrderedDict()  # when last; of newcomers, when they came

    @contextmanager
    def turn(self, address: Hashable, name: Hashable) -> Iterator[bool]:
        """Waits for a turn; gives False where there was none in time, or a newer one of the visitor came."""
        ticket = _Ticket(address, (address, name))
        with self._changed:
            got = self._join(ticket) and self._changed.wait_for(lambda: self._is_settled(ticket), self.patience_s)
            got = got and ticket in self._line
            if ticket in self._line:
                self._line.remove(ticket)
            if got:
                self._working.append(ticket)
                self._remember(ticket)
                self._changed.notify_all()  # another may be next now
        try:
            yield got
        finally:
            if got:
                with self._changed:
                    self._working.remove(ticket)
                    self._remember(ticket)
                    self._changed.notify_all()

    def _join(self, ticket: _Ticket) -> bool:
        now = time.monotonic()
        for one in (ticket.address, ticket.visitor):
            self._served.setdefault(one, now)
        for place, older in enumerate(self._line):
            if older.visitor == ticket.visitor:
                self._line[place] = ticket
                self._changed.notify_all()
                return True
        if len(self._line) >= self.most_waiting:
            crowd = Counter(one.address for one in self._line)
            crowded, most = crowd.most_common(1)[0]
            if crowd[ticket.address] + 1 >= most:
                return False
            self._line.remove([one for one in self._line if one.address == crowded][-1])
            self._changed.notify_all()
        self._line.append(ticket)
        return True

    def _is_settled(self, ticket: _Ticket) -> bool:
        """Whether it is the ticket's turn, or never will be."""
        if ticket not in self._line:
            return True
        if len(self._working) >= self.at_once:
            return False
        busy = {one.visitor for one in self._working}
        ready = [one for one in self._line if one.visitor not in busy]
        return ticket is min(ready, key=lambda one: (self._since(one.address), self._since(one.visitor)), default=None)

    def _since(self, one: Hashable) -> float:
        return self._served.get(one, 0.0)

    def _remember(self, ticket: _Ticket) -> None:
        for one in (ticket.address, ticket.visitor):
            self._served.pop(one, None)
            self._served[one] = time.monotonic()
        while len(self._served) > MOST_REMEMBERED:
            self._served.popitem(last=False)
