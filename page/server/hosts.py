"""Where the page listens, and which names it answers to.

A page for this machine alone answers to no other, or any website that a visitor has open could use it in that visitor's
place: by having its own name point here (DNS rebinding), or by sending forms.
"""
from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable

LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


class Hosts:
    """`names` are those that a request's Host may have, without port; None lets in any."""

    def __init__(self, names: Iterable[str] | None):
        self.names = None if names is None else LOCAL | {name.lower() for name in names}

    @classmethod
    def of_environment(cls) -> Hosts:
        """Those that HANDPOSE_HOSTS lists, commas between; else this machine's where the page listens to it alone."""
        listed = [name.strip() for name in os.environ.get("HANDPOSE_HOSTS", "").split(",") if name.strip()]
        listens = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1").strip("[]")
        return cls(listed or ([listens] if _is_loopback(listens) else None))

    def refusal(self, hosts: list[str], origins: list[str], writes: bool) -> str | None:
        """Why a request with these Host and Origin headers is not answered, a sentence; None where it is."""
        if self.names is None:
            return None
        if len(hosts) != 1 or _name(hosts[0]) not in self.names:
            return "This page does not answer to that name: set HANDPOSE_HOSTS to the names it shall have."
        if writes and not all(self._same_site(origin, hosts[0]) for origin in origins):
            return "This page takes nothing from other sites."
        return None

    def _same_site(self, origin: str, host: str) -> bool:
        """Whether an Origin is the Host asked for; a name that was listed may have another port, before a proxy."""
        netloc = origin.partition("://")[2].lower()
        return netloc == host.lower() or (_name(netloc) in self.names - LOCAL)


def told_port() -> int | None:
    """The port that GRADIO_SERVER_PORT tells; None without, where the next free one from 7860 on will do.

    Raises ValueError. To be asked before Gradio is imported, which takes the same variable for a number.
    """
    told = os.environ.get("GRADIO_SERVER_PORT")
    if not told:
        return None
    if not (told.isascii() and told.isdecimal() and 0 < int(told[:9]) < 65536):
        raise ValueError(f"GRADIO_SERVER_PORT must be a number from 1 to 65535, not {told[:40]!r}.")
    return int(told)


def _name(netloc: str) -> str | None:
    """The host of "host", "host:port" or "[v6]:port"; None if it is none."""
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d*)?", netloc.lower(), re.ASCII)
    return match and (match[1] or match[2])


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
