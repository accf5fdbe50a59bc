"""What a venue answers beside market data: refused subscriptions, business rejects, messages we have no use for."""

from feedhandler.sources.fix_log import SourceLog
from feedhandler.sources.fix_requests import Requests
from feedhandler.wire.fix_events import App
from feedhandler.wire.fix_message import Malformed, Message, decode


def take(event: App, requests: Requests, log: SourceLog) -> int:
    """Act on one application message that is no W or X; return how many subscriptions it refused (0 or 1)."""
    message = decode(event.raw)
    if isinstance(message, Malformed):
        return 0
    text = message.text(58)
    if event.msg_type == b"Y":
        requests.refused(_latin(message, 262), text)
        log.complain("subscription refused", f"281={_latin(message, 281)} {text}")
        return 1
    if event.msg_type == b"j":
        log.complain("business reject", f"372={_latin(message, 372)} {text}")
    else:
        log.complain("unused message", f"35={event.msg_type.decode('latin-1')}")
    return 0


def _latin(message: Message, tag: int) -> str:
    return (message.get(tag) or b"").decode("latin-1")
