"""`[[handler.source]]` and its tables: what a configuration says of one session with a venue."""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from feedhandler import secret
from feedhandler.config_types import (
    Currency,
    Day,
    Decimals,
    Keying,
    Name,
    NonEmpty,
    Port,
    PositiveFloat,
    Seconds,
    Symbol,
    Text,
    TimeOfDay,
    TlsVersion,
    Variable,
)


class InstrumentSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    """One instrument of a source: a row of the instruments file, or of the inline list."""

    venue: Symbol
    symbol: Symbol
    tick: PositiveFloat
    lot: PositiveFloat
    price_decimals: Decimals
    size_decimals: Decimals
    currency: Currency = ""
    calendar: Annotated[Text, Meta(max_length=23)] = "24/7"


class Tls(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[handler.source.tls]`: the connection is encrypted, and the venue's certificate is checked. Always both."""

    ca_file: Text = ""  # these authorities and no others; default: those of the system
    server_name: Text = ""  # SNI, and whom the certificate must name; default: the endpoint's host
    certificate_file: Text = ""  # ours, where the venue wants one
    key_file: Text = ""  # default: it is in certificate_file
    key_password_env: Variable = ""
    key_password_file: Text = ""
    key_password_credential: Text = ""
    min_version: TlsVersion = "1.2"
    max_version: TlsVersion = "1.3"


class Hours(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[handler.source.schedule]`: when the session lives, each day or, with days, each week."""

    start: TimeOfDay
    end: TimeOfDay
    start_day: Day | None = None
    end_day: Day | None = None
    zone: NonEmpty = "UTC"


class Endpoint(NamedTuple):
    """Where a venue listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as the configuration writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Source(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[[handler.source]]`: one session with a venue."""

    name: Name
    profile: NonEmpty
    engine: Literal["native"] = "native"
    host: str
    port: Port
    endpoints: list[Text] = []  # "host:port", tried in turn behind the first
    sender: NonEmpty
    target: NonEmpty
    heartbeat_s: Annotated[int, Meta(ge=1, le=3600)] = 30
    username: Text = ""
    password_env: Variable = ""
    password_file: Text = ""
    password_credential: Text = ""
    secret_env: Variable = ""
    secret_file: Text = ""
    secret_credential: Text = ""
    sender_sub: Text = ""
    target_sub: Text = ""
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    check_field_order: bool = True
    check_empty_values: bool = True
    keying: Keying | None = None  # None: the profile's
    market_depth: Annotated[int, Meta(ge=0, le=65535)] = 0
    gap_policy: Literal["resend", "resubscribe", "reconnect"] = "resend"
    connect_timeout_s: Seconds = 10.0
    reconnect_min_s: Seconds = 0.2
    reconnect_max_s: Seconds = 30.0
    requests_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0  # 0: without a limit
    subscribe_per_message: Annotated[int, Meta(ge=1, le=10_000)] = 50
    resnapshot_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] = 200.0
    mask_tags: list[Annotated[int, Meta(ge=1, le=99_999)]] = []
    instruments_file: Text = ""
    instruments: list[InstrumentSpec] = []
    tls: Tls | None = None
    schedule: Hours | None = None

    @property
    def password(self) -> str:
        """The password, read now; "" where none is configured. Raises SecretError."""
        return secret.read(self, "password")

    @property
    def secret(self) -> str:
        """What signed logons are signed with, read now; "" where none is configured. Raises SecretError."""
        return secret.read(self, "secret")

    def addresses(self) -> list[Endpoint]:
        """Return host and port and then the further endpoints, in the order in which they are tried.

        Raises ValueError naming an endpoint that is none; a loaded configuration has none such.
        """
        return [Endpoint(self.host, self.port), *map(parse_endpoint, self.endpoints)]


def parse_endpoint(text: str) -> Endpoint:
    """Return `host:port` or `[address]:port` in its parts. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not port.isascii() or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    if (":" in host) != bracketed:
        raise ValueError(text)
    return Endpoint(host[1:-1] if bracketed else host, int(port))
