"""Clients' requests put into effect: the answer, and what it changes in the hub."""

import hmac
from collections.abc import Sequence
from typing import Any

from feedhandler.bridge import protocol
from feedhandler.bridge.client import Client, Subscription
from feedhandler.bridge.hub import Hub
from feedhandler.bridge.protocol import ALL, Auth, Fault, List, Ping, Subscribe, Unsubscribe, encode

WAITING_MAX = 1000  # requests of one client whose snapshot is still owed


class Desk:
    """Answers the requests of all clients of one hub."""

    def __init__(self, hub: Hub, tokens: Sequence[str], subscriptions_max: int, message_bytes_max: int) -> None:
        self._hub = hub
        self._tokens = [token.encode() for token in tokens]
        self._subscriptions_max = subscriptions_max
        self._message_bytes_max = message_bytes_max

    def accepts(self, token: str) -> bool:
        """Return whether a token is one of ours, in a time that does not tell how much of it was right."""
        given = token.encode(errors="replace")
        return sum(hmac.compare_digest(given, known) for known in self._tokens) > 0

    @property
    def open(self) -> bool:
        """Nobody needs a token."""
        return not self._tokens

    def handle(self, client: Client, data: bytes) -> bool:
        """Answer one text message; False = the connection must be closed as not authorised."""
        client.stats.requests += 1
        if len(data) > self._message_bytes_max:
            limit = f"{len(data)} bytes, at most {self._message_bytes_max}"
            self.refuse(client, Fault(protocol.MESSAGE_TOO_LARGE, limit))
            return True
        request = protocol.parse(data)
        if not client.authorised and not isinstance(request, Auth):
            identity = request.id
            self.refuse(client, Fault(protocol.NOT_AUTHORISED, 'send {"op":"auth","token":...} first', identity))
            return True
        # What was on its way goes first, so that the answer stands between the old and the new.
        self._hub.flush()
        match request:
            case Fault():
                self.refuse(client, request)
            case Subscribe():
                self._subscribe(client, request)
            case Unsubscribe():
                self._unsubscribe(client, request)
            case List(identity):
                client.write(encode({"type": "list", "id": identity, "subscriptions": _listed(client)}))
            case Ping(identity):
                client.write(encode({"type": "pong", "id": identity}))
            case Auth():
                return self._auth(client, request)
        return True

    def refuse(self, client: Client, fault: Fault) -> None:
        """Tell a client what was wrong, and count it."""
        client.stats.errors += 1
        client.write(protocol.error(fault))

    def _auth(self, client: Client, request: Auth) -> bool:
        if self.open or self.accepts(request.token):
            client.authorised = True
            client.write(encode({"type": "ack", "op": "auth", "id": request.id}))
            return True
        self.refuse(client, Fault(protocol.NOT_AUTHORISED, "unknown token", request.id))
        return False

    def _subscribe(self, client: Client, request: Subscribe) -> None:
        interval_ns = int(1e9 / request.max_rate) if request.max_rate else 0
        subscription = Subscription(request.sources, interval_ns)
        pairs = {(channel, symbol): subscription for channel in request.channels for symbol in request.symbols}
        count = len(client.subscriptions.keys() | pairs.keys())
        if count > self._subscriptions_max or len(client.waiting) >= WAITING_MAX:
            text = f"{count} (channel, symbol) pairs, at most {self._subscriptions_max}"
            self.refuse(client, Fault(protocol.TOO_MANY_SUBSCRIPTIONS, text, request.id))
            return
        client.subscriptions |= pairs
        for channel in request.channels:
            self._hub.want(channel)
        ready = tuple(channel for channel in request.channels if self._hub.in_sync(channel))
        pending = [channel for channel in request.channels if channel not in ready]
        client.waiting += [(channel, request.symbols, request.id) for channel in pending]
        ack: dict[str, Any] = {"type": "ack", "op": "subscribe", "id": request.id}
        ack |= {"channels": request.channels, "symbols": request.symbols}
        client.write(encode(ack | {"unknown": self._unknown(ready, request.symbols), "pending": pending}))
        if ready:
            self._hub.attach(client, ready, request.symbols, request.id)

    def _unknown(self, channels: tuple[str, ...], symbols: tuple[str, ...]) -> list[str]:
        """Return the symbols of which no channel in sync has a value yet."""
        known = {key.topic.symbol for channel in channels for key in self._hub.cache.of(channel)}
        return [symbol for symbol in symbols if symbol != ALL and symbol not in known] if channels else []

    def _unsubscribe(self, client: Client, request: Unsubscribe) -> None:
        missing: list[dict[str, str]] = []
        for channel in request.channels:
            for symbol in request.symbols:
                if symbol == ALL:
                    pairs = [pair for pair in client.subscriptions if pair[0] == channel]
                else:
                    pairs = [pair for pair in [(channel, symbol)] if pair in client.subscriptions]
                if not pairs:
                    missing.append({"channel": channel, "symbol": symbol})
                for pair in pairs:
                    del client.subscriptions[pair]
        self._hub.unsubscribed(client, request.channels)
        ack = {"type": "ack", "op": "unsubscribe", "id": request.id}
        names = {"channels": request.channels, "symbols": request.symbols, "not_subscribed": missing}
        client.write(encode(ack | names))


def _listed(client: Client) -> list[dict[str, Any]]:
    """Return the subscriptions as the client asked for them."""
    return [
        {
            "channel": channel,
            "symbol": symbol,
            "sources": sorted(how.sources) if how.sources is not None else None,
            "max_rate": 1e9 / how.interval_ns if how.interval_ns else None,
        }
        for (channel, symbol), how in client.subscriptions.items()
    ]
