"""What types cannot say about a configuration: names, hosts, cores, files, memory."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from feedhandler import config_csv, config_rules_source, limits, secret
from feedhandler.config_rules_source import is_host, is_loopback, profiles
from feedhandler.config_text import show
from feedhandler.errors import ConfigError

if TYPE_CHECKING:
    from feedhandler.config import Config, InstrumentSpec, Scheduling, Source

RESERVED = ("conflator", "bridge", "recorder", "supervisor", "derived", "board", "clock", "publish", "snapshot")
HOLDS_ITS_CORE = ("spin", "yield")


__all__ = ["check", "is_host", "is_loopback", "profiles", "schedules", "sources"]


def check(file: object, config: "Config") -> None:
    """Raise the first ConfigError of a configuration that is well-formed and complete."""
    _names(file, config)
    for ring, key in _rings(config):
        if ring & (ring - 1):
            raise ConfigError(file, key, show(ring), "a power of two")
    for key, source in sources(config):
        config_rules_source.check(file, key, source)
    _bridge(file, config)
    _cores(file, config)
    _paths(file, config)


def sources(config: "Config") -> Iterator[tuple[str, "Source"]]:
    """Yield every source with its key."""
    for i, handler in enumerate(config.handler):
        for j, source in enumerate(handler.source):
            yield f"handler[{i}].source[{j}]", source


def schedules(config: "Config") -> Iterator[tuple[str, str, "Scheduling"]]:
    """Yield (process name, key, scheduling) of every process of a configuration, in starting order."""
    for i, handler in enumerate(config.handler):
        yield handler.name, f"handler[{i}]", handler
    yield "conflator", "conflator", config.conflator
    yield "bridge", "bridge", config.bridge
    yield "recorder", "recorder", config.recorder


def _names(file: object, config: "Config") -> None:
    seen: dict[str, str] = {}
    for i, handler in enumerate(config.handler):
        key = f"handler[{i}].name"
        if handler.name in RESERVED:
            raise ConfigError(file, key, show(handler.name), f"a name other than the reserved {', '.join(RESERVED)}")
        _unique(file, key, handler.name, seen)
    seen = {}
    for key, source in sources(config):
        _unique(file, f"{key}.name", source.name, seen)
    if len(seen) > limits.SOURCES_MAX:
        raise ConfigError(file, "handler", f"{len(seen)} sources", f"at most {limits.SOURCES_MAX}")


def _unique(file: object, key: str, value: str, seen: dict[str, str]) -> None:
    if value in seen:
        raise ConfigError(file, key, show(value), f"a value other than that of {seen[value]}")
    seen[value] = key


def _rings(config: "Config") -> Iterator[tuple[int, str]]:
    for i, handler in enumerate(config.handler):
        yield handler.ring_capacity, f"handler[{i}].ring_capacity"
    yield config.conflator.derived_capacity, "conflator.derived_capacity"


def take_instruments(file: object, config: "Config", spec: "type[InstrumentSpec]") -> None:
    """Append each source's instruments file to its inline instruments; then check the whole list."""
    for key, source in sources(config):
        places = [f"{key}.instruments[{i}]" for i in range(len(source.instruments))]
        if source.instruments_file:
            for row, instrument in config_csv.read(file, f"{key}.instruments_file", source.instruments_file, spec):
                source.instruments.append(instrument)
                places.append(f"{key}.instruments_file row {row}")
        if not source.instruments:
            raise ConfigError(
                file, f"{key}.instruments", "none", "at least one instrument, here or in instruments_file"
            )
        venues: dict[str, str] = {}
        symbols: dict[str, str] = {}
        for place, instrument in zip(places, source.instruments, strict=True):
            _unique(file, f"{place}.venue", instrument.venue, venues)
            _unique(file, f"{place}.symbol", instrument.symbol, symbols)
            if instrument.symbol == "*":
                raise ConfigError(file, f"{place}.symbol", '"*"', "one symbol; * stands for all of them")


def _bridge(file: object, config: "Config") -> None:
    bridge = config.bridge
    if not is_host(bridge.host):
        raise ConfigError(file, "bridge.host", show(bridge.host), "a host name or an IP address")
    config_rules_source.one_secret(file, "bridge", bridge, "tokens")
    if not is_loopback(bridge.host) and not secret.configured(bridge, "tokens"):
        raise ConfigError(
            file, "bridge.host", show(bridge.host), "a loopback address, or tokens_env for the clients' tokens"
        )


def _cores(file: object, config: "Config") -> None:
    holders: dict[int, str] = {}
    for _, key, schedule in schedules(config):
        if schedule.core is None or schedule.wait not in HOLDS_ITS_CORE:
            continue
        if schedule.core in holders:
            raise ConfigError(
                file,
                f"{key}.core",
                show(schedule.core),
                f'a core other than that of {holders[schedule.core]}, for both spin; or wait = "park"',
            )
        holders[schedule.core] = key


def _paths(file: object, config: "Config") -> None:
    run_dir = config.feedhandler.run_dir
    names = [f"{name}.ctl" for name, _, _ in schedules(config)] + ["supervisor.ctl", "snapshot.ipc"]
    longest = max(len(os.fsencode(name)) for name in names) + 1
    room = limits.UNIX_SOCKET_PATH_BYTES_MAX - longest
    if len(os.fsencode(run_dir)) > room:
        raise ConfigError(
            file, "feedhandler.run_dir", show(run_dir), f"a path of at most {room} bytes: sockets live in it"
        )
