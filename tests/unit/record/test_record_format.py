"""The bytes of segment and block headers are a contract (docs/contracts/journal.md)."""

import numpy as np
import pytest

from feedhandler.record.format import (
    BLOCK_BYTES,
    HEADER_BYTES,
    INDEX_ROW,
    BlockHeader,
    BlockType,
    JournalError,
    JournalVersionError,
    SegmentHeader,
    crc32c,
    pack_segment,
    small_block,
    unpack_block,
    unpack_segment,
)

HEADER = SegmentHeader("handler1", 7, 5, 900, 11, 123456789)


def test_crc32c_gives_the_published_check_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_segment_header_bytes_are_where_the_contract_says() -> None:
    page = pack_segment(HEADER)
    assert len(page) == HEADER_BYTES
    assert page[:8] == b"FHJRNL1\0"
    words = np.frombuffer(page[8:24], "<u4").tolist()
    assert words == [1, 1, 64, 4096]
    assert np.frombuffer(page[24:64], "<u8").tolist() == [7, 5, 900, 11, 123456789]
    assert page[64:128].rstrip(b"\0") == b"handler1"
    assert int.from_bytes(page[-4:], "little") == crc32c(page[:-4])
    assert unpack_segment(page, "x") == HEADER


@pytest.mark.parametrize("place", range(0, HEADER_BYTES, 97))
def test_a_flipped_bit_in_the_header_page_is_found(place: int) -> None:
    page = bytearray(pack_segment(HEADER))
    page[place] ^= 1
    with pytest.raises(JournalError, match="some/path"):
        unpack_segment(bytes(page), "some/path")


@pytest.mark.parametrize(("place", "text"), [(8, "journal format 9"), (12, "record layout 9")])
def test_another_version_is_refused_by_name(place: int, text: str) -> None:
    page = bytearray(pack_segment(HEADER))
    page[place] = 9
    page[-4:] = crc32c(bytes(page[:-4])).to_bytes(4, "little")
    with pytest.raises(JournalVersionError, match=text):
        unpack_segment(bytes(page), "p")


def test_block_header_bytes_are_where_the_contract_says() -> None:
    header = BlockHeader(BlockType.GAP, 0, 0, 2, 5, 9, -1, 4, 77)
    block = small_block(header).tobytes()
    assert len(block) == BLOCK_BYTES
    assert block[:4] == b"FHB1"
    assert int.from_bytes(block[4:8], "little") == crc32c(block[8:])
    assert np.frombuffer(block[8:24], "<u4").tolist() == [BlockType.GAP, 0, 0, 2]
    assert np.frombuffer(block[24:40], "<u8").tolist() == [5, 9]
    assert np.frombuffer(block[40:64], "<i8").tolist() == [-1, 4, 77]


def test_block_headers_that_make_no_sense_are_none() -> None:
    good = small_block(BlockHeader(BlockType.GAP, 0, 0, 1, 1, 2, 0, 0, 0))
    assert unpack_block(good) is not None
    assert unpack_block(good[:63]) is None
    for place, value in ((0, 0), (8, 0), (8, 6), (12, 63)):
        bad = good.copy()
        bad[place] = value
        assert unpack_block(bad) is None, (place, value)
    lying = small_block(BlockHeader(BlockType.RECORDS, 0, 2, 0, 1, 2, 0, 0, 0), bytes(64))
    assert unpack_block(lying) is None


def test_index_rows_are_one_line_without_padding() -> None:
    assert INDEX_ROW.itemsize == 64
