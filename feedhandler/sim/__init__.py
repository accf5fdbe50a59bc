"""The simulated venue: a FIX 4.4 acceptor that judges everything downstream (docs/contracts/simulator.md)."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `feedhandler simulate` with these arguments (the command line's by default); return the exit code."""
    from feedhandler.sim.app import run  # noqa: PLC0415 - importing the package must stay cheap

    return run(argv)
