"""What the bridge says of itself: the control operation `status`, and counters in shared memory."""

from typing import Any

from feedhandler import clock
from feedhandler.bridge.server import Server
from feedhandler.counters import Counter, Counters


def totals(server: Server) -> dict[str, int]:
    """Return sums over all clients, those that left included."""
    sums = dict(server.hub.gone)
    for client in server.hub.clients:
        for name in sums:
            sums[name] += getattr(client.stats, name)
    return sums


def status(server: Server) -> dict[str, Any]:
    """Return the reply to `status`: totals, upstream, and one entry a client."""
    hub, now_ns = server.hub, clock.monotonic_ns()
    sums = totals(server)
    return {
        "port": server.port,
        "updates_in": hub.state.counts.updates,
        "updates_out": sums["updates"],
        "frames_out": sums["frames"],
        "bytes_out": sums["bytes"],
        "conflated": sums["conflated"],
        "trades_dropped": sums["trades_dropped"],
        "errors": sums["errors"],
        "clients": len(hub.clients),
        "clients_total": server.clients_total,
        "clients_refused": server.refused,
        "slow_closed": server.slow_closed,
        "failures": server.failures,
        "upstream": hub.state.counts.as_dict() | {"epoch": hub.state.epoch, "synced": hub.state.synced},
        "keys": {channel: len(keys) for channel, keys in hub.cache.keys.items()},
        "per_client": [
            {
                "client": client.name,
                "subscriptions": len(client.subscriptions),
                "slow": client.slow,
                "slow_s": (now_ns - client.slow_since_ns) / 1e9 if client.slow else 0.0,
                "held": len(client.held),
                "queued": len(client.queue),
                **{name: getattr(client.stats, name) for name in client.stats.__struct_fields__},
            }
            for client in hub.clients
        ],
    }


def count(server: Server, counters: Counters) -> None:
    """Bring the process's counters up to date."""
    hub, sums = server.hub, totals(server)
    upstream = hub.state.counts
    for counter, value in (
        (Counter.BRIDGE_UPDATES_IN, hub.state.counts.updates),
        (Counter.BRIDGE_UPDATES_OUT, sums["updates"]),
        (Counter.BRIDGE_FRAMES_OUT, sums["frames"]),
        (Counter.BRIDGE_BYTES_OUT, sums["bytes"]),
        (Counter.BRIDGE_CONFLATED, sums["conflated"]),
        (Counter.BRIDGE_CLIENTS, len(hub.clients)),
        (Counter.BRIDGE_CLIENTS_TOTAL, server.clients_total),
        (Counter.BRIDGE_ERRORS, sums["errors"]),
        (Counter.BRIDGE_SLOW_CLOSED, server.slow_closed),
        (Counter.BRIDGE_TRADES_DROPPED, sums["trades_dropped"]),
        (Counter.BRIDGE_GAPS, upstream.gaps),
        (Counter.BRIDGE_RESYNCS, upstream.restarts),
        (Counter.BRIDGE_REFUSED, server.refused),
    ):
        counters.set(counter, value)
