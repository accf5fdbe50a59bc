"""The configuration: one TOML file, decoded strictly (docs/operations/configuration.md).

The structs are the schema. `load` is the only way in: what it returns is complete, checked and has absolute
paths; what it refuses it refuses with one ConfigError naming file, key, value and what was expected.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from feedhandler import config_rules, config_text, limits, placement
from feedhandler.errors import ConfigError

WaitPolicyName = Literal["spin", "yield", "park", "adaptive"]
Keying = Literal["price", "id"]

Name = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z][A-Za-z0-9_-]*\Z",
        max_length=limits.NAME_CHARS_MAX,
        description=f"a name of 1..{limits.NAME_CHARS_MAX} letters, digits, '-' and '_', a letter first",
    ),
]
Variable = Annotated[
    str,
    Meta(pattern=r"\A([A-Za-z_][A-Za-z0-9_]*)?\Z", description="the name of an environment variable, or nothing"),
]
Text = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z", description="text without control characters")]
NonEmpty = Annotated[
    str, Meta(pattern=r"\A[^\x00-\x1f\x7f]+\Z", description="non-empty text without control characters")
]
Symbol = Annotated[
    str,
    Meta(
        pattern=r"\A[!-{}~]([ -{}~]*[!-{}~])?\Z",
        max_length=limits.SYMBOL_CHARS_MAX,
        description=f"1..{limits.SYMBOL_CHARS_MAX} printable ASCII characters without '|' or spaces around",
    ),
]
Currency = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9]{0,13}\Z", description="at most 13 letters and digits")]
Account = Annotated[
    str,
    Meta(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?\Z", description="a name or a number of this host, or nothing"),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
SecondsOrNone = Annotated[float, Meta(ge=0, le=86400)]
Capacity = Annotated[int, Meta(ge=limits.RING_CAPACITY_MIN, le=limits.RING_CAPACITY_MAX)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Decimals = Annotated[int, Meta(ge=0, le=15)]


class General(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[feedhandler]`: the namespace and the folders that the processes share."""

    name: Name
    shm_dir: NonEmpty = ""  # default: /dev/shm/feedhandler-<name>
    state_dir: NonEmpty = ""  # default: var/<name>/state
    run_dir: NonEmpty = ""  # default: var/<name>/run
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def control_path(self, process: str) -> str:
        """Return the path of a process's control socket."""
        return os.path.join(self.run_dir, f"{process}.ctl")  # noqa: PTH118 - str in, str out


class Scheduling(Struct, forbid_unknown_fields=True, kw_only=True):
    """How the kernel runs a process, and how its loop waits; the same keys in every process's table."""

    core: Annotated[int, Meta(ge=0, le=limits.CORE_MAX)] | None = None
    priority: Annotated[int, Meta(ge=-20, le=19)] | None = None
    realtime: Annotated[int, Meta(ge=1, le=99)] | None = None
    wait: WaitPolicyName = "adaptive"
    slice_us: Annotated[int, Meta(ge=limits.SLICE_US_MIN, le=limits.SLICE_US_MAX)] | None = None


class Memory(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[memory]`: how every segment is put into memory, and who may read it."""

    prefault: bool = True
    mlock: Literal["off", "try", "require"] = "off"
    huge_pages: bool = False
    owner: Account = ""  # default: the user of the process
    group: Account = ""  # default: that user's group
    mode: Literal["0600", "0640"] = "0640"
    readers_park: bool = False


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


class Source(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[[handler.source]]`: one session with a venue."""

    name: Name
    profile: NonEmpty
    engine: Literal["native"] = "native"
    host: str
    port: Port
    sender: NonEmpty
    target: NonEmpty
    heartbeat_s: Annotated[int, Meta(ge=1, le=3600)] = 30
    username: Text = ""
    password_env: Variable = ""
    secret_env: Variable = ""
    sender_sub: Text = ""
    target_sub: Text = ""
    reset_on_logon: bool = False
    keying: Keying | None = None  # None: the profile's
    market_depth: Annotated[int, Meta(ge=0, le=65535)] = 0
    gap_policy: Literal["resend", "resubscribe", "reconnect"] = "resend"
    reconnect_min_s: Seconds = 0.2
    reconnect_max_s: Seconds = 30.0
    subscribe_per_message: Annotated[int, Meta(ge=1, le=10_000)] = 50
    resnapshot_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] = 200.0
    instruments_file: Text = ""
    instruments: list[InstrumentSpec] = []

    @property
    def password(self) -> str:
        """The password out of the environment; "" where none is configured or set."""
        return os.environ.get(self.password_env, "") if self.password_env else ""

    @property
    def secret(self) -> str:
        """What signed logons are signed with, out of the environment; "" where none is configured or set."""
        return os.environ.get(self.secret_env, "") if self.secret_env else ""


class Handler(Scheduling, kw_only=True):
    """`[[handler]]`: one feed handler process and its ring, which has its name.

    `coalesce_us` > 0: under load sockets are read at most that often, so that messages share reads and wakes: less CPU
    at the price of that much latency. What comes after a pause is read at once.
    """

    name: Name
    ring_capacity: Capacity = 1 << 20
    coalesce_us: Annotated[int, Meta(ge=0, le=100_000)] = 0
    source: Annotated[list[Source], Meta(min_length=1)]


class Conflator(Scheduling, kw_only=True):
    """`[conflator]`."""

    depth: Annotated[int, Meta(ge=1, le=1000)] = 10
    derived_capacity: Capacity = 1 << 16
    checkpoint_interval_s: Seconds = 0.5
    heartbeat_interval_s: Annotated[float, Meta(gt=0, le=60)] = 0.1
    min_interval_us: Annotated[int, Meta(ge=0, le=60_000_000)] = 0
    send_hwm: Count = 100_000


class Bridge(Scheduling, kw_only=True):
    """`[bridge]`: the WebSocket server."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8765
    tokens_env: Variable = ""
    max_clients: Annotated[int, Meta(ge=1, le=100_000)] = 256
    max_subscriptions: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    max_message_bytes: Annotated[int, Meta(ge=64, le=16 << 20)] = 65536
    client_queue_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    slow_close_s: Seconds = 5.0
    flush_interval_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0

    @property
    def tokens(self) -> tuple[str, ...]:
        """The accepted tokens out of the environment; none where no variable is configured."""
        listed = os.environ.get(self.tokens_env, "") if self.tokens_env else ""
        return tuple(token for token in (part.strip() for part in listed.split(",")) if token)


class Parquet(Struct, forbid_unknown_fields=True, kw_only=True):
    """`[recorder.parquet]`."""

    dir: NonEmpty = ""  # default: var/<name>/parquet
    batch_rows: Annotated[int, Meta(ge=1, le=100_000_000)] = 500_000
    batch_age_s: Seconds = 5.0


class Recorder(Scheduling, kw_only=True):
    """`[recorder]`: the journal; `parquet` is None where that table is absent."""

    journal_dir: NonEmpty = ""  # default: var/<name>/journal
    segment_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 31)] = 1 << 28
    fsync: Literal["none", "interval", "block"] = "interval"
    fsync_interval_s: Seconds = 0.2
    poll_interval_ms: Annotated[int, Meta(ge=1, le=10_000)] = 20
    parquet: Parquet | None = None


class Config(Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    feedhandler: General
    handler: Annotated[list[Handler], Meta(min_length=1)]
    memory: Memory = msgspec.field(default_factory=Memory)
    conflator: Conflator = msgspec.field(default_factory=Conflator)
    bridge: Bridge = msgspec.field(default_factory=Bridge)
    recorder: Recorder = msgspec.field(default_factory=Recorder)


def load(path: str | Path, *, check_host: bool = True) -> Config:
    """Read, check and complete a configuration file.

    With `check_host`, also refuse what this machine does not know or cannot hold now: users and groups, and segments
    larger than free shared memory and RAM.
    Raises ConfigError; nothing else for any content of the file.
    """
    raw = _parse(path)
    config_text.check_floats(path, raw)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise config_text.translate(path, raw, Config, error) from None
    _complete(config, Path(path).resolve().parent)
    config_rules.take_instruments(path, config, InstrumentSpec)
    config_rules.check(path, config)
    if check_host:
        placement.of(path, config)
        placement.check_system(path, config)
    return config


def _parse(path: str | Path) -> dict[str, Any]:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ConfigError(path, "", "no such file", "a TOML configuration file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(path, "", f"an unreadable file ({error})", "a TOML configuration file") from None
    if len(data) > limits.CONFIG_FILE_BYTES_MAX:
        raise ConfigError(path, "", f"{len(data)} bytes", f"at most {limits.CONFIG_FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(path, f"line {line}", f"byte 0x{data[error.start]:02x}", "UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise config_text.syntax_error(path, str(error)) from None
    except ValueError as error:
        raise ConfigError(path, "", str(error), "TOML") from None
    except RecursionError:
        raise ConfigError(path, "", "values nested beyond measure", "TOML of a few levels") from None


def _complete(config: Config, base: Path) -> None:
    """Fill in the defaults that hang on the name, and make every path absolute."""

    def absolute(path: str) -> str:
        return os.path.normpath(base / path)

    general = config.feedhandler
    var = f"var/{general.name}"
    general.shm_dir = absolute(general.shm_dir or f"/dev/shm/feedhandler-{general.name}")  # noqa: S108
    general.state_dir = absolute(general.state_dir or f"{var}/state")
    general.run_dir = absolute(general.run_dir or f"{var}/run")
    config.recorder.journal_dir = absolute(config.recorder.journal_dir or f"{var}/journal")
    if config.recorder.parquet is not None:
        config.recorder.parquet.dir = absolute(config.recorder.parquet.dir or f"{var}/parquet")
    for handler in config.handler:
        for source in handler.source:
            if source.instruments_file:
                source.instruments_file = absolute(source.instruments_file)
