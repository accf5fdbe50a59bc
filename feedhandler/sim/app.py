"""The venue's process: builds it from the options and runs it until told to stop."""

import gc
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

import msgspec
import structlog

from feedhandler import _native, clock
from feedhandler.control import ControlServer
from feedhandler.errors import FeedhandlerError
from feedhandler.sim import describe, options
from feedhandler.sim.acceptor import Acceptor
from feedhandler.sim.capture import CaptureError, load
from feedhandler.sim.market import Listing, instruments_csv, model_market, write_whole
from feedhandler.sim.operations import Operations
from feedhandler.sim.options import Options

_RUN_NS: Final = 10_000_000  # how long the native venue runs before Python looks at timers and control
_BACKLOG_BYTES_MAX: Final = 128 * 1024 * 1024  # then a client is a slow consumer and is cut off
_LOGOUT_NS: Final = 500_000_000


class Simulator:
    """One simulated venue, listening. `close` is owed once it exists."""

    def __init__(self, chosen: Options, log: Any) -> None:
        self._options = chosen
        self._log = log
        self.offset_ns = _realtime_offset_ns(chosen)
        self.venue = _native.SimVenue(chosen.comp_id, chosen.keying == "id", self.offset_ns, _BACKLOG_BYTES_MAX)
        self.listings = self._fill()
        self.venue.configure_flow(chosen.speed, round(chosen.seconds * 1e9), round(chosen.wake_us * 1e3))
        if chosen.bbo_log is not None:
            self.venue.log_bbo(str(chosen.bbo_log))
        self.acceptor = Acceptor(self.venue, [one.venue for one in self.listings], chosen.comp_id, log)
        self.operations = Operations(self.venue, self.acceptor, self.listings, self.offset_ns)
        self.stopping = False
        self.control = ControlServer(chosen.control, name="sim", log=log) if chosen.control else None
        self._listener = socket.create_server((chosen.host, chosen.port), backlog=16)
        self._listener.setblocking(False)
        self._announce()

    def _fill(self) -> list[Listing]:
        chosen = self._options
        by_id = chosen.keying == "id"
        if chosen.capture is not None:
            capture = load(chosen.capture, by_id=by_id)
            listings = [capture.listing]
            self._capture_counts = capture.counts
            self._list(listings)
            self.venue.use_script(capture.events.view("u1"), capture.entries.view("u1"))
            return listings
        self._capture_counts = {}
        listings = model_market(chosen.instruments, chosen.seed)
        self._list(listings)
        self.venue.use_model(describe.model_options(chosen), describe.model_symbols(listings))
        return listings

    def _list(self, listings: list[Listing]) -> None:
        for one in listings:
            self.venue.add_instrument(one.venue, one.price_decimals, one.size_decimals)

    def _announce(self) -> None:
        chosen = self._options
        if self._capture_counts:
            self.operations.extra["capture"] = self._capture_counts
        if self.control is not None:
            self.operations.register(self.control)
        if chosen.instruments_csv is not None:
            write_whole(chosen.instruments_csv, instruments_csv(self.listings))
        self.port: int = self._listener.getsockname()[1]
        if chosen.port_file is not None:
            write_whole(chosen.port_file, f"{self.port}\n")
        self._log.info("listening", host=chosen.host, port=self.port, instruments=len(self.listings))

    def now_ns(self) -> int:
        """Realtime, on the venue's own offset."""
        return clock.monotonic_ns() + self.offset_ns

    def do_work(self) -> None:
        """Run the venue for a few milliseconds and serve what came in."""
        if self.venue.flow_state == 0 and self._may_start():
            self.venue.start(clock.monotonic_ns())
            self._log.info("flow started")
        caller, arrived = self.venue.run(self._listener.fileno(), clock.monotonic_ns() + _RUN_NS)
        now_ns = self.now_ns()
        for slot, closed, data in arrived:
            self.acceptor.arrived(slot, closed, data, now_ns)
        if caller:
            self._accept(now_ns)
        self.acceptor.poll(now_ns)
        if self.control is not None:
            self.control.poll()
            self.stopping = self.stopping or self.control.stop_requested

    def _may_start(self) -> bool:
        if self._options.hold and not self.operations.released:
            return False
        # Flat out the socket is the clock, so without a subscriber there is nothing to go by.
        if self._options.wait_subscribers or self._options.speed == 0.0:
            return self.venue.all_subscribed()
        return True

    def _accept(self, now_ns: int) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acceptor.accept(client.detach(), now_ns)

    def stop(self) -> None:
        """Log everybody out, for at most half a second."""
        self.venue.pause(clock.monotonic_ns())
        self.acceptor.logout("the venue closes", self.now_ns())
        deadline_ns = clock.monotonic_ns() + _LOGOUT_NS
        while self.acceptor.connected and clock.monotonic_ns() < deadline_ns:
            self.do_work()

    def close(self) -> None:
        """Give everything back; the BBO log is on disk after this."""
        self.acceptor.drop(None, self.now_ns())
        self.venue.flush_log()
        self._listener.close()
        if self.control is not None:
            self.control.close()


def _realtime_offset_ns(chosen: Options) -> int:
    if chosen.clock_dir is None:
        return _native.measure_realtime_offset()
    return clock.Clock(chosen.clock_dir).offset_ns


def _serve(chosen: Options) -> int:
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
    ).bind(component="sim")
    _native.sim_sharpen_timers()
    simulator = Simulator(chosen, log)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        simulator.stopping = True

    gc.collect()
    gc.freeze()  # what stands now stays: a full collection would hold the flow up for milliseconds
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        while not simulator.stopping:
            simulator.do_work()
        simulator.stop()
        status = simulator.operations.status()
        log.info("stopped", **{name: value for name, value in status.items() if name.startswith("ticks_")})
    finally:
        simulator.close()
    return 0


def run(argv: Sequence[str] | None) -> int:
    """Parse, then describe or serve. Errors the user can mend end as one line and exit code 2."""
    chosen = options.parse(argv)
    try:
        if chosen.describe:
            report = describe.measure(chosen, model_market(chosen.instruments, chosen.seed))
            print(msgspec.json.format(msgspec.json.encode(report)).decode())
            return 0
        return _serve(chosen)
    except (CaptureError, FeedhandlerError, OSError, ValueError, RuntimeError) as error:
        print(f"feedhandler simulate: {error}", file=sys.stderr)
        return 2
