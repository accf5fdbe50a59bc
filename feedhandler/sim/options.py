"""What the simulated venue is told on its command line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times in seconds; `speed` 0 = flat out."""

    host: str
    port: int
    port_file: Path | None
    control: Path | None
    comp_id: str
    keying: str
    rate: float
    instruments: int
    levels: int
    seed: int
    burst_every: float
    seconds: float
    capture: Path | None
    speed: float
    wait_subscribers: bool
    hold: bool
    bbo_log: Path | None
    instruments_csv: Path | None
    clock_dir: Path | None
    wake_us: float
    describe: bool


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return parse


def _speed(text: str) -> float:
    if text == "flat":
        return 0.0
    return float(_number(float, 1e-6, 1e9)(text))


def _comp_id(text: str) -> str:
    if not text or len(text) > 64 or not text.isascii() or not text.isprintable():
        raise argparse.ArgumentTypeError("expected 1 to 64 printable ASCII characters")
    return text


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    parse = argparse.ArgumentParser(
        prog="feedhandler simulate",
        description="A FIX 4.4 venue: a seeded order-flow model, or a real capture. It counts what it sends.",
    )
    add = parse.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_number(int, 0, 65535), default=9880, help="0 = any free port (default: %(default)s)")
    add("--port-file", type=Path, help="write the port here once the venue listens")
    add("--control", type=Path, help="serve control requests on this ipc socket")
    add("--comp-id", type=_comp_id, default="SIM", help="the venue's SenderCompID (default: %(default)s)")
    add("--keying", choices=("price", "id"), default="price", help="what identifies a book entry")
    add("--rate", type=_number(float, 1e-3, 1e8), default=1000.0, help="model: ticks a second, on average")
    add("--instruments", type=_number(int, 1, 100_000), default=10, help="model: how many (default: %(default)s)")
    add("--levels", type=_number(int, 3, 200), default=10, help="model: levels a side, about")
    add("--seed", type=_number(int, 0, 2**64 - 1), default=1, help="model: same seed, same flow")
    add("--burst-every", type=_number(float, 0, 1e6), default=10.0, help="model: seconds between bursts; 0 = none")
    add("--seconds", type=_number(float, 0, 1e9), default=0.0, help="length of the flow; 0 = no end, or the capture's")
    add("--capture", type=Path, help="send this capture instead of the model")
    add("--speed", type=_speed, default=1.0, help="N times faster, or flat: as fast as the socket takes")
    add("--wait-subscribers", action="store_true", help="start the flow when every instrument is subscribed")
    add("--hold", action="store_true", help="start the flow only once the control operation `release` was asked")
    add("--bbo-log", type=Path, help="binary log of every change of a best bid or ask")
    add("--instruments-csv", type=Path, help="write the handler's instruments_file")
    add("--clock-dir", type=Path, help="use the shared clock of this shm_dir, as the product's processes do")
    add("--wake-us", type=_number(float, 0, 1e6), default=100.0, help="messages due within this time leave together")
    add("--describe", action="store_true", help="measure the model's own character, print it and exit")
    return parse


def parse(argv: Sequence[str] | None) -> Options:
    """Return the options; exits with a message on a bad command line."""
    grammar = parser()
    options = Options(**vars(grammar.parse_args(argv)))
    if 0 < options.burst_every < 1:
        grammar.error("--burst-every: a burst lasts a second, so 0 or at least 1")
    if options.hold and options.control is None:
        grammar.error("--hold needs --control: only its operation `release` starts the flow")
    if options.describe and options.capture:
        grammar.error("--describe measures the model; it does not go with --capture")
    return options
