"""The configuration: one TOML file, decoded strictly (docs/operations/configuration.md).

The structs are the schema. `load` is the only way in: what it returns is complete, checked and has absolute
paths; what it refuses it refuses with one ConfigError naming file, key, value and what was expected.
"""

import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from feedhandler import config_rules, config_text, limits, placement, secret
from feedhandler.config_source import Hours, InstrumentSpec, Source, Tls
from feedhandler.config_types import Account, Capacity, Count, Name, NonEmpty, Seconds, Text, Variable, WaitPolicyName
from feedhandler.errors import ConfigError

__all__ = [
    "Bridge",
    "Config",
    "Conflator",
    "General",
    "Handler",
    "Hours",
    "InstrumentSpec",
    "Memory",
    "Parquet",
    "Recorder",
    "Scheduling",
    "Source",
    "Tls",
    "load",
]


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
    tokens_file: Text = ""
    tokens_credential: Text = ""
    max_clients: Annotated[int, Meta(ge=1, le=100_000)] = 256
    max_subscriptions: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    max_message_bytes: Annotated[int, Meta(ge=64, le=16 << 20)] = 65536
    client_queue_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    slow_close_s: Seconds = 5.0
    flush_interval_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0

    @property
    def tokens(self) -> tuple[str, ...]:
        """The accepted tokens, read now; none where none are configured. Raises SecretError."""
        listed = tuple(token for token in map(str.strip, secret.read(self, "tokens").split(",")) if token)
        for token in listed:
            secret.remember(token)
        return listed


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
    config.bridge.tokens_file = absolute(config.bridge.tokens_file) if config.bridge.tokens_file else ""
    complete_sources((source for _, source in config_rules.sources(config)), base)


def complete_sources(sources: Iterable[Source], base: Path) -> None:
    """Make every path of sources absolute; relative ones are so to `base`, the configuration's folder."""
    for owner, keys in _files(sources):
        for key in keys:
            if value := getattr(owner, key):
                setattr(owner, key, os.path.normpath(base / value))


def _files(sources: Iterable[Source]) -> Iterator[tuple[Struct, tuple[str, ...]]]:
    """Yield every table of sources that names files, with those keys."""
    for source in sources:
        yield source, ("instruments_file", "password_file", "secret_file")
        if source.tls is not None:
            yield source.tls, ("ca_file", "certificate_file", "key_file", "key_password_file")
