"""The record's layout as Python sees it."""

import numpy as np

from feedhandler.tick import RECORD_BYTES, TICK


def test_the_record_is_one_cache_line_without_padding() -> None:
    assert TICK.itemsize == RECORD_BYTES
    assert sum(TICK.fields[name][0].itemsize for name in TICK.names) == RECORD_BYTES


def test_records_of_nothing_are_zero_bytes() -> None:
    assert np.zeros(3, TICK).tobytes() == bytes(3 * RECORD_BYTES)
