"""The echo's process: options, sockets, signals."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from feedhandler import clock
from feedhandler.echo import settings
from feedhandler.echo.server import Server
from feedhandler.echo.settings import Peer
from feedhandler.echo.store import LateStore
from feedhandler.errors import ConfigError
from feedhandler.limits import EXIT_CONFIG
from feedhandler.wire.fix_store import FileStore, MemoryStore, StoreError

OPTIONS = {
    "role": "ConnectionType",
    "begin_string": "BeginString",
    "sender": "SenderCompID",
    "target": "TargetCompID",
    "heartbeat": "HeartBtInt",
    "default_appl_ver_id": "DefaultApplVerID",
    "dictionary": "DataDictionary",
    "transport_dictionary": "TransportDataDictionary",
    "app_dictionary": "AppDataDictionary",
    "store": "FileStorePath",
}
"""Option -> QuickFIX's key of the same."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C, then log out. Exit code 0; 2 where the configuration cannot be used."""
    try:
        peers = configured(argv)
        server = Server(peers, open_store, _say)
    except (ConfigError, StoreError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except OSError as error:
        print(f"fix-echo: {error}", file=sys.stderr)
        return EXIT_CONFIG
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    for host, port in server.addresses:
        _say(f"listening on {host}:{port}")
    server.run()
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def configured(argv: Sequence[str] | None) -> list[Peer]:
    """Return the sessions that file and options ask for. Raises ConfigError; exits on wrong usage."""
    options = _parser().parse_args(argv)
    given = {key: value for name, key in OPTIONS.items() if (value := getattr(options, name)) is not None}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError("--set", pair, "no '='", "Key=Value")
        given[key] = value
    for name in ("reset_on_logon", "reset_on_logout", "reset_on_disconnect"):
        if getattr(options, name):
            given["".join(part.title() for part in name.split("_"))] = "Y"
    initiator = given.get("ConnectionType") == "initiator"
    if options.port is not None:
        given["SocketConnectPort" if initiator else "SocketAcceptPort"] = str(options.port)
    if options.host is not None:
        given["SocketConnectHost" if initiator else "SocketAcceptHost"] = options.host
    sessions = settings.read(options.config) if options.config else [{}]
    return settings.peers(options.config or "fix-echo", [one | given for one in sessions])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="feedhandler fix-echo",
        description="A FIX application for conformance suites: it echoes application messages. See docs/fix-echo.md.",
    )
    parser.add_argument("config", type=Path, nargs="?", help="a QuickFIX settings file; options override it")
    parser.add_argument("--role", choices=("acceptor", "initiator"))
    parser.add_argument("--host", help="where to listen or connect (127.0.0.1)")
    parser.add_argument("--port", type=int, help="the port; an acceptor's may be 0: any free one")
    parser.add_argument("--begin-string", help=f"{', '.join(settings.VERSIONS)} (FIX.4.4)")
    parser.add_argument("--sender", help="our SenderCompID")
    parser.add_argument("--target", help="the other side's")
    parser.add_argument("--heartbeat", help="HeartBtInt of an initiator, seconds (30)")
    parser.add_argument("--dictionary", help="DataDictionary: an XML file in QuickFIX's format")
    parser.add_argument("--transport-dictionary", help="TransportDataDictionary, for FIXT.1.1")
    parser.add_argument("--app-dictionary", help="AppDataDictionary, for FIXT.1.1")
    parser.add_argument("--default-appl-ver-id", help="1137, for FIXT.1.1 (FIX.5.0SP2)")
    parser.add_argument("--store", help="FileStorePath: numbers and messages survive the process")
    parser.add_argument("--reset-on-logon", action="store_true")
    parser.add_argument("--reset-on-logout", action="store_true")
    parser.add_argument("--reset-on-disconnect", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="Key=Value", help="any key of a settings file")
    return parser


def open_store(peer: Peer) -> LateStore:
    """Open a session's store: on disk where there is a folder for it. Raises StoreError."""
    now_ns = clock.now_ns()
    if not peer.store_dir:
        return LateStore(MemoryStore(peer.stored_max, now_ns))
    return LateStore(FileStore(peer.store_dir, peer.name, messages_max=peer.stored_max, now_ns=now_ns))
