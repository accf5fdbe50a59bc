"""How long the soaks of `make soak` last."""

import os

DEFAULT_S = 600.0


def soak_seconds() -> float:
    """Return SOAK_SECONDS of the environment (`make soak SOAK_SECONDS=60`), 600 where it is not set."""
    return float(os.environ.get("SOAK_SECONDS", DEFAULT_S))
