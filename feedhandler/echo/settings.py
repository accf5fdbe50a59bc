"""QuickFIX settings files: `[DEFAULT]` and one `[SESSION]` a session, `Key=Value` lines, `#` comments.

Values are read strictly: what cannot be used is one ConfigError naming file, key, value and expectation. Keys that this
program has no use for (logs, sockets' tuning) are passed over, as QuickFIX does.
"""

import re
from collections.abc import Callable, Iterable
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from feedhandler.errors import ConfigError
from feedhandler.wire import fix_dictionary_xml
from feedhandler.wire.fix_checks import Validation
from feedhandler.wire.fix_dictionary import APPL_VERSIONS, Dictionary, DictionaryError
from feedhandler.wire.fix_events import Role, SessionConfig
from feedhandler.wire.fix_schedule import DAYS, Schedule
from feedhandler.wire.fix_validate import Rules

VERSIONS = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1")
PRECISIONS = {0: "s", 3: "ms", 6: "us", 9: "ns"}
QUEUE_MAX = 10_000
STORED_MAX = 10_000
SETTINGS_BYTES_MAX = 1 << 20


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One session and where it is spoken."""

    config: SessionConfig
    port: int  # acceptor: where we listen
    host: str = "127.0.0.1"
    endpoints: tuple[tuple[str, int], ...] = ()  # initiator: tried in turn
    reconnect_s: float = 1.0
    store_dir: str = ""  # "" = numbers are gone with the process
    stored_max: int = STORED_MAX
    unsupported: frozenset[bytes] = frozenset({b"8"})
    echo: bool = True

    @property
    def name(self) -> str:
        """As QuickFIX writes a session."""
        return f"{self.config.begin_string}:{self.config.sender}->{self.config.target}"


def read(path: Path) -> list[dict[str, str]]:
    """Return the settings of each session in the file, those of `[DEFAULT]` included. Raises ConfigError."""
    try:
        text = path.read_bytes()[:SETTINGS_BYTES_MAX].decode()
    except (OSError, ValueError) as error:
        raise ConfigError(path, "", str(error), "a settings file") from None
    defaults: dict[str, str] = {}
    sessions: list[dict[str, str]] = []
    section: dict[str, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.upper() in ("[DEFAULT]", "[SESSION]"):
            section = defaults if line.upper() == "[DEFAULT]" else {}
            if section is not defaults:
                sessions.append(section)
        elif section is None or "=" not in line:
            raise ConfigError(path, f"line {number}", line[:80], "[DEFAULT], [SESSION] or Key=Value")
        else:
            key, _, value = line.partition("=")
            section[key.strip()] = value.strip()
    if not sessions:
        raise ConfigError(path, "", "no [SESSION]", "at least one")
    return [defaults | session for session in sessions]


class Settings:
    """One session's settings, read by type."""

    def __init__(self, where: object, values: dict[str, str], dictionaries: dict[Path, Dictionary]) -> None:
        self._where = where
        self._values = values
        self._dictionaries = dictionaries  # loaded ones, shared by the sessions

    def error(self, key: str, expected: str) -> ConfigError:
        """Return what to raise about a value."""
        return ConfigError(self._where, key, repr(self._values.get(key, "nothing")), expected)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a value as it is; without default it must be there."""
        value = self._values.get(key, default)
        if value is None or not (value.isprintable() and (value or default is not None)):
            raise self.error(key, "text")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return whether it says Y."""
        value = self._values.get(key, "Y" if default else "N").upper()
        if value not in ("Y", "N"):
            raise self.error(key, "Y or N")
        return value == "Y"

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """Return a number within bounds."""
        text = self._values.get(key, str(default))
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or not low <= float(text) <= high:
            raise self.error(key, f"a number from {low:g} to {high:g}")
        return float(text)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self.number(key, default, low, high)
        if value != int(value):
            raise self.error(key, f"a whole number from {low} to {high}")
        return int(value)

    def names(self, start: str) -> Iterable[str]:
        """Return the keys that begin so."""
        return [key for key in self._values if key.startswith(start)]

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._values

    def dictionary(self, key: str) -> Dictionary:
        """Return the dictionary of the file named; relative paths count from here."""
        path = Path(self.text(key)).absolute()
        try:
            if path not in self._dictionaries:
                self._dictionaries[path] = fix_dictionary_xml.load(path)
        except DictionaryError as error:
            raise self.error(key, f"a dictionary in QuickFIX's format: {error}") from None
        return self._dictionaries[path]


def peer(settings: Settings) -> Peer:
    """Return the session that the settings describe. Raises ConfigError."""
    kind = settings.text("ConnectionType", "acceptor")
    if kind not in ("acceptor", "initiator"):
        raise settings.error("ConnectionType", "acceptor or initiator")
    role = Role(kind)
    types = settings.text("UnsupportedMessageTypes", "8").replace(",", " ").split()
    return Peer(
        config=_config(settings, role),
        port=settings.integer("SocketAcceptPort", 0, 0, 65535),
        host=settings.text("SocketAcceptHost", "127.0.0.1"),
        endpoints=_endpoints(settings) if role is Role.INITIATOR else (),
        reconnect_s=settings.number("ReconnectInterval", 1, 0.01, 86_400),
        store_dir=settings.text("FileStorePath", ""),
        stored_max=STORED_MAX if settings.flag("PersistMessages", default=True) else 0,
        unsupported=frozenset(name.encode() for name in types),
        echo=settings.flag("Echo", default=True),
    )


def _config(settings: Settings, role: Role) -> SessionConfig:
    begin = settings.text("BeginString", "FIX.4.4")
    if begin not in VERSIONS:
        raise settings.error("BeginString", f"one of {', '.join(VERSIONS)}")
    flag = settings.flag
    return SessionConfig(
        role=role,
        begin_string=begin,
        sender=settings.text("SenderCompID"),
        target=settings.text("TargetCompID"),
        heartbeat_s=settings.integer("HeartBtInt", 30, 0, 86_400),
        appl_ver_id=_appl_ver_id(settings) if begin == "FIXT.1.1" else "",
        reset_on_logon=flag("ResetOnLogon", default=False),
        reset_on_logout=flag("ResetOnLogout", default=False),
        reset_on_disconnect=flag("ResetOnDisconnect", default=False),
        check_comp_id=flag("CheckCompID", default=True),
        verify_frame=flag("ValidateLengthAndChecksum", default=True),
        max_latency_s=settings.number("MaxLatency", 120, 0, 1e9) if flag("CheckLatency", default=True) else 0,
        logon_timeout_s=settings.number("LogonTimeout", 10, 0.1, 86_400),
        logout_timeout_s=settings.number("LogoutTimeout", 2, 0.1, 86_400),
        redundant_resends=flag("SendRedundantResendRequests", default=False),
        resend_chunk=settings.integer("ResendRequestChunkSize", 0, 0, 1_000_000),
        last_processed=flag("EnableLastMsgSeqNumProcessed", default=False),
        time_precision=_precision(settings),
        queue_max=QUEUE_MAX,
        schedule=_schedule(settings),
        rules=_rules(settings, begin),
    )


def _precision(settings: Settings) -> str:
    if settings.has("TimestampPrecision"):
        digits = settings.integer("TimestampPrecision", 3, 0, 9)
        if digits not in PRECISIONS:
            raise settings.error("TimestampPrecision", "0, 3, 6 or 9")
        return PRECISIONS[digits]
    return "ms" if settings.flag("MillisecondsInTimeStamp", default=True) else "s"


def _appl_ver_id(settings: Settings) -> str:
    name = settings.text("DefaultApplVerID", "FIX.5.0SP2")
    version = APPL_VERSIONS.get(name, name)
    if version not in APPL_VERSIONS.values():
        raise settings.error("DefaultApplVerID", "a version such as FIX.5.0SP2, or its ApplVerID")
    return version


def _rules(settings: Settings, begin: str) -> Rules:
    flag = settings.flag
    validation = Validation(
        order=flag("ValidateFieldsOutOfOrder", default=True),
        have_values=flag("ValidateFieldsHaveValues", default=True),
        user_fields=flag("ValidateUserDefinedFields", default=True),
        unknown_fields=not flag("AllowUnknownMsgFields", default=False),
        group_order=flag("ValidateUnorderedGroupFields", default=True),
    )
    fixt = begin == "FIXT.1.1"
    key = "TransportDataDictionary" if fixt else "DataDictionary"
    used = flag("UseDataDictionary", default=settings.has(key))
    if not used:
        return Rules(validation=validation)
    session = settings.dictionary(key)
    if session.version != begin:
        raise settings.error(key, f"a dictionary of {begin}, got one of {session.version}")
    application = {}
    for name in settings.names("AppDataDictionary") if fixt else ():
        found = settings.dictionary(name)
        named = name.partition(".")[2]
        version = APPL_VERSIONS.get(named, named) or _appl_ver_id(settings)
        application[version] = found
    if fixt and not application:
        raise settings.error("AppDataDictionary", "a dictionary of the application messages")
    return Rules(session, application, validation)


def _endpoints(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return SocketConnectHost and Port, then Host1 and Port1, and so on."""
    found = []
    for suffix in ("", *map(str, range(1, 100))):
        if not suffix or settings.has(f"SocketConnectHost{suffix}"):
            host = settings.text(f"SocketConnectHost{suffix}", "127.0.0.1")
            found.append((host, settings.integer(f"SocketConnectPort{suffix}", 0, 1, 65535)))
    return tuple(found)


def _schedule(settings: Settings) -> Schedule | None:
    """Return the session's hours; QuickFIX's examples of 00:00:00 to 00:00:00 mean a new session each midnight."""
    if settings.flag("NonStopSession", default=False) or not settings.has("StartTime"):
        return None
    zone = settings.text("TimeZone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise settings.error("TimeZone", "a time zone such as America/New_York") from None
    start_day, end_day = (_day(settings, key) for key in ("StartDay", "EndDay"))
    if (start_day is None) != (end_day is None):
        raise settings.error("EndDay", "both StartDay and EndDay, or neither")
    start, end = (_time(settings, key) for key in ("StartTime", "EndTime"))
    return Schedule(start=start, end=end, start_day=start_day, end_day=end_day, zone=zone)


def _time(settings: Settings, key: str) -> time:
    try:
        return time.fromisoformat(settings.text(key))
    except ValueError:
        raise settings.error(key, "a time of day such as 17:30:00") from None


def _day(settings: Settings, key: str) -> int | None:
    if not settings.has(key):
        return None
    short = settings.text(key)[:3].title()
    if short not in DAYS:
        raise settings.error(key, "a day of the week")
    return DAYS.index(short)


def peers(where: object, sessions: list[dict[str, str]]) -> list[Peer]:
    """Return all sessions. Raises ConfigError, for two of the same name too."""
    dictionaries: dict[Path, Dictionary] = {}
    make: Callable[[dict[str, Any]], Peer] = lambda values: peer(Settings(where, values, dictionaries))  # noqa: E731
    found = [make(values) for values in sessions]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(where, "SESSION", name, "each session once")
    return found
