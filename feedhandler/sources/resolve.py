"""Host names to addresses without standing still: the system's look-up blocks, so a thread does it.

One look-up a name at a time, its answer kept for KEEP_NS; where a later one fails, the answer before counts for as
long as STALE_NS: a name server that is down shall not take a venue away whose address is known.
"""

import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from feedhandler.config_source import Endpoint

KEEP_NS = 30_000_000_000
STALE_NS = 86_400_000_000_000
THREADS_MAX = 64  # look-ups under way; there are no more sources

LookUp = Callable[[str, int], list[Any]]


class Address(NamedTuple):
    """What `socket.socket` and `connect` take."""

    family: int
    kind: int
    protocol: int
    address: Any


class _Entry:
    """One name's answer. The thread writes `found` and then `done`; everything else is the caller's."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.found_ns = 0
        self.busy = False
        self.done = threading.Event()
        self.found: list[Address] | OSError = []


def _system(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _addresses(found: list[Any]) -> list[Address]:
    return [Address(family, kind, protocol, address) for family, kind, protocol, _, address in found]


class Resolver:
    """Answers of the system's look-up. One caller's thread; its own threads end with the process."""

    def __init__(self, look_up: LookUp = _system) -> None:
        self._look_up = look_up
        self._entries: dict[Endpoint, _Entry] = {}

    def addresses(self, endpoint: Endpoint, now_ns: int) -> list[Address] | None:
        """Return where an endpoint is, at least one address; None while that is looked up: ask again.

        Never blocks. Raises OSError where the look-up failed and no earlier answer is left.
        """
        try:  # an address is none to look up
            return _addresses(socket.getaddrinfo(*endpoint, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
        except socket.gaierror:
            pass
        entry = self._entries.setdefault(endpoint, _Entry())
        if entry.busy and entry.done.is_set():
            return self._take(endpoint, entry, now_ns)
        if entry.addresses and now_ns - entry.found_ns < KEEP_NS:
            return entry.addresses
        if not entry.busy:
            self._begin(endpoint, entry)
        return None

    def _begin(self, endpoint: Endpoint, entry: _Entry) -> None:
        """Start a look-up, unless too many are under way: then the caller's next question does."""
        if sum(one.busy for one in self._entries.values()) >= THREADS_MAX:
            return
        entry.busy = True
        entry.done.clear()
        threading.Thread(target=self._run, args=(endpoint, entry), name="look-up", daemon=True).start()

    def _run(self, endpoint: Endpoint, entry: _Entry) -> None:
        try:
            entry.found = _addresses(self._look_up(*endpoint))
        except OSError as error:
            entry.found = error
        except UnicodeError as error:  # a name that is none
            entry.found = OSError(str(error))
        entry.done.set()

    def _take(self, endpoint: Endpoint, entry: _Entry, now_ns: int) -> list[Address]:
        entry.busy = False
        found = entry.found
        if isinstance(found, list) and found:
            entry.addresses, entry.found_ns = found, now_ns
            return found
        if entry.addresses and now_ns - entry.found_ns < STALE_NS:
            return entry.addresses
        why = found.strerror if isinstance(found, OSError) and found.strerror else str(found or "no address")
        raise OSError(f"{endpoint.host} is not found: {why}")
