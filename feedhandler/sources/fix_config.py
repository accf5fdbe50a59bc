"""From a source's configuration and its dialect to what its session and its connections are made with."""

from datetime import time

from feedhandler import secret
from feedhandler.config_source import Endpoint, Hours, Source
from feedhandler.errors import ConfigError
from feedhandler.sources.connection import Connection
from feedhandler.sources.dialer import Dialer
from feedhandler.sources.resolve import Address, Resolver
from feedhandler.sources.tls import TlsConnection, TlsError, make_context
from feedhandler.wire import fix_logon
from feedhandler.wire.fix_checks import Validation
from feedhandler.wire.fix_events import LogonHook, Role, SessionConfig
from feedhandler.wire.fix_message import Field
from feedhandler.wire.fix_profile import Profile, fields_of
from feedhandler.wire.fix_schedule import DAYS, Schedule
from feedhandler.wire.fix_validate import Rules

MESSAGE_BYTES_MAX = 8 * 1024 * 1024
ENTRIES_MAX = 1 << 18


def session_config(source: Source, profile: Profile) -> SessionConfig:
    """Return what the session needs. Raises ConfigError where a secret cannot be had, or is none for this venue."""
    try:
        return _session_config(source, profile)
    except secret.SecretError as error:
        raise ConfigError(f"source {source.name}", error.key, error.got, error.expected) from None


def _session_config(source: Source, profile: Profile) -> SessionConfig:
    words = profile.session
    sends_password = not words.logon_hook or fix_logon.HOOKS[words.logon_hook].sends_password
    return SessionConfig(
        role=Role.INITIATOR,
        sender=source.sender,
        target=source.target,
        begin_string=profile.begin_string,
        appl_ver_id=profile.appl_ver_id,
        heartbeat_s=source.heartbeat_s,
        reset_on_logon=source.reset_on_logon or words.reset_on_logon,
        reset_on_logout=source.reset_on_logout,
        reset_on_disconnect=source.reset_on_disconnect,
        username=source.username,
        password=source.password if sends_password else "",
        header_fields=_header_fields(source, profile),
        logon_hook=_logon_hook(source, profile),
        time_precision=profile.time_precision,
        schedule=schedule(source.schedule),
        rules=Rules(validation=Validation(order=source.check_field_order, have_values=source.check_empty_values)),
        resend_on_gap=gap_policy(source, profile) == "resend",
        message_bytes_max=MESSAGE_BYTES_MAX,
    )


def _logon_hook(source: Source, profile: Profile) -> LogonHook | None:
    words = profile.session
    who = fix_logon.Credentials(
        sender=source.sender, target=source.target, username=source.username, password=source.password,
        secret=source.secret,
    )  # fmt: skip
    try:
        return fix_logon.make(words.logon_hook, who, fields_of(words.logon))
    except fix_logon.LogonError as error:
        where = f"source {source.name}"
        raise ConfigError(where, "secret_env", "no usable secret", f"what {profile.name} signs with: {error}") from None


def gap_policy(source: Source, profile: Profile) -> str:
    """Return what a gap means here: a venue that resends nothing cannot be asked to."""
    unheard = source.gap_policy == "resend" and not profile.session.resend
    return "resubscribe" if unheard else source.gap_policy


def _header_fields(source: Source, profile: Profile) -> tuple[Field, ...]:
    """Return the profile's; 50 and 57 are the source's where it names them."""
    own = {"50": source.sender_sub, "57": source.target_sub}
    return tuple(fields_of(profile.session.header | {tag: value for tag, value in own.items() if value}))


def schedule(hours: Hours | None) -> Schedule | None:
    """Return when the session lives; None: always."""
    if hours is None:
        return None
    start_day = None if hours.start_day is None else DAYS.index(hours.start_day)
    end_day = None if hours.end_day is None else DAYS.index(hours.end_day)
    start, end = _whole_seconds(hours.start), _whole_seconds(hours.end)
    return Schedule(start=start, end=end, start_day=start_day, end_day=end_day, zone=hours.zone)


def _whole_seconds(at: time) -> time:
    return at.replace(microsecond=0)


def dialer(source: Source, resolver: Resolver) -> Dialer:
    """Return who connects to the source's endpoints. Raises ConfigError where certificates cannot be used."""
    tls = source.tls
    if tls is None:
        return Dialer(source.addresses(), resolver, _open_plain, source)
    where = f"source {source.name}"
    try:
        context = make_context(tls)
    except TlsError as error:
        raise ConfigError(where, "tls", str(error), "certificates that can be used") from None
    except secret.SecretError as error:
        raise ConfigError(where, f"tls.{error.key}", error.got, error.expected) from None

    def open_tls(address: Address, endpoint: Endpoint) -> Connection:
        return TlsConnection(address, tls, context, tls.server_name or endpoint.host)

    return Dialer(source.addresses(), resolver, open_tls, source)


def _open_plain(address: Address, _endpoint: Endpoint) -> Connection:
    return Connection(address)
