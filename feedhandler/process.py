"""What every process of feedhandler does at its start and at its end.

    with process.start("conflator", argv) as runtime:
        while not runtime.stopping:
            ...                       # the process's own work, in bounded turns
            runtime.control.poll()    # never blocks

A bad configuration is one line on stderr and exit code 2; a crash is one logged line and exit code 1.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import zmq

from feedhandler import _native, clock, config, limits, logs, placement, scheduling, secret
from feedhandler.control import ControlServer
from feedhandler.counters import Counter, Counters
from feedhandler.errors import AlreadyRunningError, ConfigError, SegmentError

Kind = Literal["handler", "conflator", "bridge", "recorder"]
Section = config.Handler | config.Conflator | config.Bridge | config.Recorder


class Runtime:
    """What a running process has. Made by `start`; main thread only, except `request_stop`.

    `stopping` turns True on SIGTERM, SIGINT or the control operation `stop`, and `wake_fd` becomes readable
    then: put it into a poll that must end at once.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        settings: config.Config,
        section: Any,
        log: Any,
        *,
        placed: _native.Placement,
        path: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.path = path  # of the configuration
        self.config = settings
        self.section = section
        self.placement = placed
        self.log = log
        self.stopping = False
        self._handlers_before: dict[int, Any] = {}
        self.started_ns = clock.monotonic_ns()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        policy, why = scheduling.wait_policy(settings, section.wait)
        self.wait_policy = _native.WaitPolicy[policy.upper()]
        for sentence in ([why] if why else []) + scheduling.apply(section):
            log.warning("host falls short", what=sentence)
        general = settings.feedhandler
        # The socket comes first: it refuses a second process of this name before that touches anything.
        path = general.control_path(name)
        self.control = ControlServer(path, name=name, log=log, facts=self._facts, counted=self._count_control)
        self.control.stop_fn = self.request_stop
        self.counters = Counters(general.shm_dir, name, placed)

    @property
    def wake_fd(self) -> int:
        """Readable once the process shall stop, and after each signal."""
        return self._wake_read

    def request_stop(self) -> None:
        """Ask the process to end its loop. Any thread; safe in a signal handler."""
        self.stopping = True
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def idle(self, timeout_s: float, *others: Any) -> None:
        """Wait until a control request, a signal, one of `others` (sockets, fds) or the timeout; serve control."""
        poller = zmq.Poller()
        for item in (self.control.socket, self._wake_read, *others):
            poller.register(item, zmq.POLLIN)
        if not self.stopping:
            poller.poll(max(0, int(timeout_s * 1000)))
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self.control.poll()

    def _facts(self) -> dict[str, Any]:
        uptime_ns = clock.monotonic_ns() - self.started_ns
        return {"kind": self.kind, "uptime_s": uptime_ns / 1e9, "wait": self.wait_policy.name.lower()}

    def _count_control(self) -> None:
        self.counters.set(Counter.CONTROL_REQUESTS, self.control.served)
        self.counters.set(Counter.CONTROL_ERRORS, self.control.malformed + self.control.failed)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self.stopping:
            self.log.info("stopping", signal=signal.Signals(number).name)
        self.request_stop()

    def listen_to_signals(self) -> None:
        """Turn SIGTERM and SIGINT into `stopping`; a poll that watches `wake_fd` ends even if it began before."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers_before[number] = signal.signal(number, self._on_signal)

    def close(self) -> None:
        """Give up the control socket. The counters stay for those who read them after the process."""
        self.control.close()
        # A handler is a reference that outlives everything: native objects would be reported as leaked.
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        current = signal.set_wakeup_fd(-1)
        if current not in (-1, self._wake_write):
            signal.set_wakeup_fd(current)  # an event loop's, not ours to take
        os.close(self._wake_read)
        os.close(self._wake_write)


@contextmanager
def start(kind: Kind, argv: Sequence[str] | None = None) -> Iterator[Runtime]:
    """Start this process as `kind` with the arguments `--config FILE [--name NAME]`.

    Exits with code 2 and one line on stderr where the configuration is bad or `name` is none of its handlers;
    with 1 where a process of this name runs already, or where the body raises.
    """
    options = _arguments(kind, argv)
    if not scheduling.die_with_parent():
        raise SystemExit(limits.EXIT_FAILED)
    try:
        settings = config.load(options.config, check_host=False)
        name, section = _section(options.config, settings, kind, options.name)
        check_secrets(options.config, section_key(settings, section), section)
        placed = placement.of(options.config, settings)
        unlocked = placement.check_memlock(options.config, settings, name)
    except ConfigError as error:
        _refuse(str(error))
    log = logs.configure(name, settings.feedhandler.log_level)
    if unlocked:
        log.warning("host falls short", what=unlocked)
    try:
        placement.check_process(options.config, settings, name)
        placement.make_folder(settings.feedhandler.shm_dir, placed)
        for folder in (settings.feedhandler.state_dir, settings.feedhandler.run_dir):
            Path(folder).mkdir(parents=True, exist_ok=True)
        runtime = Runtime(kind, name, settings, section, log, placed=placed, path=options.config)
    except (AlreadyRunningError, ConfigError, SegmentError) as error:
        # The other one may be about to end, the memory be given back: worth another try, unlike a bad configuration.
        _refuse(str(error), limits.EXIT_FAILED)
    with _ending(runtime):
        yield runtime


@contextmanager
def _ending(runtime: Runtime) -> Iterator[None]:
    try:
        runtime.listen_to_signals()
        runtime.log.info("started", pid=os.getpid(), wait=runtime.wait_policy.name.lower())
        yield
    except ConfigError as error:
        _refuse(str(error))
    except SegmentError as error:
        # No bug of ours: a file in the way, no room, no right. It may be mended at any time, unlike a configuration.
        _refuse(str(error), limits.EXIT_FAILED)
    except Exception:
        runtime.log.exception("crashed")
        raise SystemExit(limits.EXIT_FAILED) from None
    else:
        runtime.log.info("stopped")
    finally:
        runtime.close()


def _refuse(message: str, code: int = limits.EXIT_CONFIG) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code) from None


def _arguments(kind: Kind, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m feedhandler.{kind}", allow_abbrev=False)
    parser.add_argument("--config", required=True, metavar="FILE", help="the configuration, TOML")
    parser.add_argument("--name", help="which [[handler]] of several; the process's name elsewhere", default="")
    return parser.parse_args(argv)


def _section(file: str, settings: config.Config, kind: Kind, name: str) -> tuple[str, Section]:
    if kind != "handler":
        if name not in ("", kind):
            raise ConfigError(file, "--name", repr(name), f"{kind!r}: there is one per configuration")
        sections: dict[str, Section] = {
            "conflator": settings.conflator,
            "bridge": settings.bridge,
            "recorder": settings.recorder,
        }
        return kind, sections[kind]
    handlers = {handler.name: handler for handler in settings.handler}
    if not name and len(handlers) == 1:
        name = next(iter(handlers))
    if name not in handlers:
        raise ConfigError(file, "--name", repr(name) if name else "nothing", f"one of {', '.join(handlers)}")
    return name, handlers[name]


def section_key(settings: config.Config, section: Section) -> str:
    """Return the key of a process's table, as errors name it."""
    if isinstance(section, config.Handler):
        return f"handler[{[handler.name for handler in settings.handler].index(section.name)}]"
    return type(section).__name__.lower()


def check_secrets(file: str | Path, key: str, section: Section) -> None:
    """Raise ConfigError where a secret that this process needs cannot be had; `key` is where its section stands."""
    wanted: list[tuple[str, Any, str]] = []
    if isinstance(section, config.Handler):
        for j, source in enumerate(section.source):
            wanted += [(f"{key}.source[{j}]", source, name) for name in ("password", "secret")]
            if source.tls is not None:
                wanted.append((f"{key}.source[{j}].tls", source.tls, "key_password"))
    elif isinstance(section, config.Bridge):
        wanted = [("bridge", section, "tokens")]
    for place, owner, name in wanted:
        try:
            secret.read(owner, name)
        except secret.SecretError as error:
            raise ConfigError(file, f"{place}.{error.key}", error.got, error.expected) from None
