"""`--describe`: the order-flow model's character, measured on flow it has just generated."""

from typing import Any, Final

from feedhandler import _native
from feedhandler.sim.market import Listing
from feedhandler.sim.options import Options

_SECONDS: Final = 60.0


def model_options(options: Options) -> _native.SimModelOptions:
    """Return the native form of the model's options."""
    native = _native.SimModelOptions()
    native.seed = options.seed
    native.rate = options.rate
    native.levels = options.levels
    native.by_id = options.keying == "id"
    native.burst_period_ns = round(options.burst_every * 1e9)
    return native


def model_symbols(listings: list[Listing]) -> list[tuple[int, int, int]]:
    """Return what the model knows of each instrument: base price in ticks, tick, lot."""
    return [(one.base_ticks, one.tick, one.lot) for one in listings]


def measure(options: Options, listings: list[Listing]) -> dict[str, Any]:
    """Generate `--seconds` (default 60) of flow, unsent, and measure it. Shares are 0 to 1; rates per second."""
    found = _native.sim_measure(model_options(options), model_symbols(listings), options.seconds or _SECONDS)
    events, entries = found["events"], found["entries"]
    spreads: list[int] = found["spreads"]
    return {
        "instruments": len(listings),
        "seconds": round(found["seconds"], 3),
        "entries": entries,
        "rate": round(entries / found["seconds"], 1),
        "entries_per_event": round(entries / events, 3),
        "busiest_5_percent_share": round(found["busiest_share"], 4),
        "cancel_to_trade": round(found["deletes"] / max(found["trades"], 1), 3),
        "bbo_change_share": round(found["bbo_changes"] / events, 4),
        "spread_ticks": {
            f"{ticks}" if ticks < len(spreads) - 1 else f"{ticks}+": round(count / events, 4)
            for ticks, count in enumerate(spreads)
            if ticks > 0
        },
        "bursts": found["bursts"],
        "burst_factor": round(found["burst_factor"], 3),
        "crossed": found["crossed"],
        "misfits": found["misfits"],
    }
