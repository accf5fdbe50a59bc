"""What the echo does with an application message: send it back, refuse it, or keep still."""

from collections.abc import Callable

from feedhandler.wire.fix_business import UNSUPPORTED_TYPE
from feedhandler.wire.fix_events import App
from feedhandler.wire.fix_message import HEADER_TAGS, TRAILER_TAGS, Field, Malformed, Message, decode
from feedhandler.wire.fix_session import Session
from feedhandler.wire.fix_structure import flatten, take_apart

ORDERS_MAX = 100_000
_OWN_HEADER = frozenset({8, 9, 34, 35, 43, 49, 52, 56, 122, 369})  # the session's, in every message


class Echo:
    """One session's application. A BusinessMessageReject is never answered, so two echoes do not talk for ever."""

    def __init__(self, session: Session, unsupported: frozenset[bytes], note: Callable[[str], None]) -> None:
        self._session = session
        self._unsupported = unsupported
        self._note = note
        self._orders: dict[bytes, None] = {}  # ClOrdIDs seen since the logon, oldest first

    def forget(self) -> None:
        """Orders are remembered from logon to logout."""
        self._orders.clear()

    def on_app(self, event: App, now_ns: int) -> None:
        """Answer one message."""
        message = decode(event.raw)
        if isinstance(message, Malformed) or event.msg_type == b"j":
            return
        if event.msg_type in self._unsupported:
            self._session.reject_business(event, UNSUPPORTED_TYPE, now_ns)
            return
        if self._is_repeated(message):
            self._note("a PossResend of an order that was echoed: ignored")
            return
        header = tuple(field for field in message.fields if field[0] in HEADER_TAGS and field[0] not in _OWN_HEADER)
        self._session.send(event.msg_type, self._body(message), now_ns, header=header)

    def _is_repeated(self, message: Message) -> bool:
        order = message.get(11)
        if order is None:
            return False
        if message.flag(97) and order in self._orders:
            return True
        if len(self._orders) >= ORDERS_MAX:
            del self._orders[next(iter(self._orders))]
        self._orders[order] = None
        return False

    def _body(self, message: Message) -> list[Field]:
        """Fields ascending, each group behind its count; without a dictionary, which knows groups, as they came."""
        rules = self._session.config.rules
        application = rules.application_of(message, self._session.appl_ver_id)
        spec = application.messages.get(message.msg_type) if application else None
        if rules.session is None or spec is None:
            frame_tags = HEADER_TAGS | TRAILER_TAGS
            return [field for field in message.fields if field[0] not in frame_tags]
        return flatten(take_apart(message, rules.session, application).body, spec.groups)
