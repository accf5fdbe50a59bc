"""Low-latency market data feed handler."""

from pathlib import Path

__version__ = "0.1.0"


def get_include() -> str:
    """Return the include path for C++ engines: `#include "shm/ring_reader.hpp"` works under it."""
    here = Path(__file__).resolve().parent
    installed = here / "include"
    return str(installed if installed.is_dir() else here.parent)
