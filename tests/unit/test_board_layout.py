"""The board's bytes, pinned whole per version: who changes one changes BOARD_VERSION, the contract and this table."""

from pathlib import Path

import numpy as np

from feedhandler import _native
from feedhandler.board import BOARD_VERSION, row_dtype

# A version's entry is never edited. A changed layout is a new entry under a new version.
PINNED = {
    2: {
        "header": {
            "magic": ("<u8", 0), "version": ("<u4", 8), "depth": ("<u4", 12), "rows": ("<u4", 16),
            "row_bytes": ("<u4", 20), "rows_offset": ("<u4", 24), "writer_pid": ("<u4", 28),
            "publisher_epoch": ("<u8", 32), "first_change": ("<u8", 40), "log_offset": ("<u4", 48),
            "log_capacity": ("<u4", 52), "heartbeat_ns": ("<i8", 64), "changes": ("<u8", 128), "highest": ("<u4", 136),
        },
        "header_bytes": 192,
        "log_offset": 4096,
        "row": {
            "version": ("<u8", 0), "change": ("<u8", 8), "bid": ("<f8", 16), "bid_size": ("<f8", 24),
            "ask": ("<f8", 32), "ask_size": ("<f8", 40), "instrument": ("<u4", 48), "source": ("<u2", 52),
            "state": ("<u2", 54), "bid_levels": ("<u2", 56), "ask_levels": ("<u2", 58), "flags": ("u1", 60),
            "last_side": ("u1", 61), "reserved": ("<u2", 62),
            "ts_event": ("<i8", 64), "ts_recv": ("<i8", 72), "ts_update": ("<i8", 80), "ts_record": ("<i8", 88),
            "ts_state": ("<i8", 96), "ts_session": ("<i8", 104), "ring_epoch": ("<u8", 112), "ring_seq": ("<u8", 120),
            "last_price": ("<f8", 128), "last_size": ("<f8", 136), "last_ts": ("<i8", 144), "last_ref": ("<u8", 152),
            "state_reason": ("<u8", 160), "updates": ("<u8", 168), "gaps": ("<u4", 176), "corrections": ("<u4", 180),
            "spare_counts": ("<u8", 184),
            "open": ("<f8", 192), "high": ("<f8", 200), "low": ("<f8", 208), "volume": ("<f8", 216),
            "turnover": ("<f8", 224), "vwap": ("<f8", 232), "trades": ("<u8", 240), "spare_session": ("<u8", 248),
        },
        "row_bytes": 256,
        "row_of_depth": {1: 320, 2: 320, 3: 384, 10: 576, 1000: 32256},
    }
}  # fmt: skip


def test_every_size_and_offset_is_the_one_pinned_for_this_version() -> None:
    layout = _native.board_layout()
    version = layout.pop("version")
    layout["row_of_depth"] = {depth: row_dtype(depth).itemsize for depth in (1, 2, 3, 10, 1000)}
    assert version == BOARD_VERSION == max(PINNED)
    assert layout == PINNED[version], "a change of the board is a new BOARD_VERSION and a new entry here"


def test_the_row_of_a_reader_has_every_field_and_no_two_overlap() -> None:
    dtype = row_dtype(10)
    fields = dtype.fields
    assert fields is not None
    assert list(fields) == [*PINNED[BOARD_VERSION]["row"], "bids", "asks"]  # type: ignore[misc]
    spans = sorted((offset, offset + kind.itemsize) for kind, offset in fields.values())
    assert spans[0][0] == 0
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]], "no hole, no overlap"
    assert (spans[-1][1], dtype.itemsize % 64) == (dtype.itemsize, 0)


def test_a_board_file_begins_as_the_contract_draws_it(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), 3, 5, 9, 1024)
    row = np.zeros(1, row_dtype(3))
    row["instrument"], row["bid"], row["vwap"], row["bids"], row["asks"] = 4, 1.5, 2.5, 3.5, 4.5
    assert writer.write(4, row.view(np.uint8))
    data = (tmp_path / "board").read_bytes()
    assert data[:8] == b"\0FHBORD1"
    words = np.frombuffer(data[:4096], "<u4")
    assert words[2:7].tolist() == [2, 3, 5, 384, 8192]  # version, depth, rows, row_bytes, rows_offset
    assert words[12:14].tolist() == [4096, 1024]  # log_offset, log_capacity
    longs = np.frombuffer(data[:4096], "<u8")
    assert (longs[4], longs[5], longs[16], words[34]) == (9, 9, 10, 4)  # epoch, first change, changes, highest
    log = np.frombuffer(data[4096:8192], "<u4")
    assert np.flatnonzero(log).tolist() == [10], "the slot of change n is n mod log_capacity"
    assert log[10] == 4
    written = data[8192 + 4 * 384 : 8192 + 5 * 384]
    assert np.frombuffer(written[:24], "<u8,<u8,<f8")[0].tolist() == (2, 10, 1.5)
    assert np.frombuffer(written[232:240], "<f8")[0] == 2.5
    assert np.frombuffer(written[256 : 256 + 96], "<f8").tolist() == [3.5] * 6 + [4.5] * 6
    assert len(data) == 8192 + 6 * 384
    assert (tmp_path / "board.parking").read_bytes()[:8] == b"\0FHWAIT1"
