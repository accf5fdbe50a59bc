"""The script form shared with the native venue (feedhandler/native/sim_script.hpp): numpy's side of it."""

from typing import Final

import numpy as np

BID: Final = 0
ASK: Final = 1
TRADE: Final = 2
NEW: Final = 0
CHANGE: Final = 1
DELETE: Final = 2
UPDATE: Final = 0
SNAPSHOT: Final = 1

ENTRY: Final = np.dtype(
    {
        "names": ["price", "size", "id", "type", "action", "aggressor"],
        "formats": ["<i8", "<i8", "<u8", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 25, 26],
        "itemsize": 32,
    }
)
EVENT: Final = np.dtype(
    {
        "names": ["offset_ns", "rpt_seq", "first", "instrument", "count", "kind"],
        "formats": ["<i8", "<u8", "<u8", "<u4", "<u4", "u1"],
        "offsets": [0, 8, 16, 24, 28, 32],
        "itemsize": 40,
    }
)
