"""Sequence numbers and sent messages, in memory and on disk, through crashes."""

import ctypes
import os
import shutil
import signal
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.wire.fix_store import FileStore, MemoryStore, StoreError


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    it = MemoryStore(3, now_ns=7) if request.param == "memory" else FileStore(tmp_path, "s", messages_max=3, now_ns=7)
    yield it
    it.close()


def kept(store, begin=1, end=10**9):
    return list(store.messages(begin, end))


def test_begins_at_one(store):
    assert (store.next_in, store.next_out, store.created_ns, kept(store)) == (1, 1, 7, [])


def test_keeps_the_last_messages(store):
    for seq in (2, 3, 5, 9):
        store.append(seq, b"m%d" % seq)
    assert kept(store) == [(3, b"m3"), (5, b"m5"), (9, b"m9")]
    assert kept(store, 4, 8) == [(5, b"m5")]


def test_reset(store):
    store.next_in, store.next_out = 5, 9
    store.append(8, b"x")
    store.reset(99)
    assert (store.next_in, store.next_out, store.created_ns, kept(store)) == (1, 1, 99, [])


def test_the_64_bytes_are_as_documented(store):
    store.next_in, store.next_out = 0x0102030405060708, 2**63
    assert len(store.buffer) == 64
    assert struct.unpack("<QQQ8s32x", bytes(store.buffer)) == (0x0102030405060708, 2**63, 7, b"\x01FHSEQ01")


def test_native_code_advances_in_place(store):
    numbers = (ctypes.c_uint64 * 2).from_address(store.address)
    numbers[0] += 41
    numbers[1] += 8
    assert (store.next_in, store.next_out) == (42, 9)


def test_zero_messages_kept():
    store = MemoryStore(0)
    store.append(1, b"x")
    assert kept(store) == []


# ---- on disk ----


def killed(work):
    """Run `work` in a process of its own that then dies by SIGKILL: nothing is flushed or closed in order."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_survives_a_kill(tmp_path):
    def work():
        store = FileStore(tmp_path, "FIX.4.4:FH->SIM", now_ns=5)
        store.append(1, b"one")
        store.next_out, store.next_in = 2, 77

    killed(work)
    again = FileStore(tmp_path, "FIX.4.4:FH->SIM", now_ns=6)
    assert (again.next_in, again.next_out, again.created_ns, kept(again)) == (77, 2, 5, [(1, b"one")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FIX.4.4_FH-_SIM.sent", "FIX.4.4_FH-_SIM.seq"]


def test_a_message_whose_number_was_never_passed_is_void(tmp_path):
    def work():
        store = FileStore(tmp_path, "s")
        store.append(1, b"one")
        store.next_out = 2
        store.append(2, b"never sent")

    killed(work)
    again = FileStore(tmp_path, "s")
    assert kept(again) == [(1, b"one")]
    again.append(2, b"two")
    again.next_out = 3
    again.close()
    assert kept(FileStore(tmp_path, "s")) == [(1, b"one"), (2, b"two")]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 200), flip=st.integers(0, 200))
def test_a_torn_or_damaged_log_gives_a_prefix(tmp_path_factory, cut, flip):
    folder = tmp_path_factory.mktemp("torn")
    store = FileStore(folder, "s")
    for seq in range(1, 7):
        store.append(seq, b"message %d" % seq)
        store.next_out = seq + 1
    store.close()
    everything = [(seq, b"message %d" % seq) for seq in range(1, 7)]
    path = folder / "s.sent"
    data = bytearray(path.read_bytes())
    data[flip % len(data)] ^= 0x10
    path.write_bytes(data[: len(data) - cut % len(data)])
    again = FileStore(folder, "s")
    assert kept(again) == everything[: len(kept(again))]
    assert len(kept(again)) < 6
    again.close()
    shutil.rmtree(folder)


def test_the_log_is_bounded(tmp_path):
    store = FileStore(tmp_path, "s", messages_max=10)
    biggest = 0
    for seq in range(1, 3000):
        store.append(seq, b"x" * 100)
        store.next_out = seq + 1
        biggest = max(biggest, (tmp_path / "s.sent").stat().st_size)
    assert biggest < 20_000
    assert kept(store) == [(seq, b"x" * 100) for seq in range(2990, 3000)]
    store.close()
    assert len(kept(FileStore(tmp_path, "s", messages_max=10))) == 10


def test_one_process_at_a_time(tmp_path):
    store = FileStore(tmp_path, "s")
    with pytest.raises(StoreError, match=r"s\.seq: held by another process"):
        FileStore(tmp_path, "s")
    store.close()
    FileStore(tmp_path, "s").close()


@pytest.mark.parametrize(
    ("content", "message"), [(b"x" * 64, "not a sequence file"), (b"x" * 63, "63 bytes, expected 64")]
)
def test_a_foreign_file_is_refused(tmp_path, content, message):
    (tmp_path / "s.seq").write_bytes(content)
    with pytest.raises(StoreError, match=message):
        FileStore(tmp_path, "s")
    assert (tmp_path / "s.seq").read_bytes() == content


@pytest.mark.parametrize("size", [0, 64])
def test_half_a_creation_is_created_again(tmp_path, size):
    (tmp_path / "s.seq").write_bytes(bytes(size))
    store = FileStore(tmp_path, "s", now_ns=3)
    assert (store.next_in, store.next_out, store.created_ns) == (1, 1, 3)


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path, monkeypatch):
    store = FileStore(tmp_path, "s")
    store.append(1, b"one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        store.append(2, b"two")
    monkeypatch.undo()
    assert kept(store) == [(1, b"one")]
