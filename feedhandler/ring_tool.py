"""`feedhandler ring`: a look into rings, as any other reader has it."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from feedhandler import _native, clock
from feedhandler.errors import FeedhandlerError
from feedhandler.ring import STALL_NS, Attach, Reader
from feedhandler.tick import Action, Kind, Side

if TYPE_CHECKING:
    import numpy as np

_NAMES = {"kind": Kind, "side": Side, "action": Action}
_WAIT_NS = 100_000_000


def ls(shm_dir: Path, out: TextIO = sys.stdout) -> int:
    """Print a line a ring."""
    rings = sorted({path.name.removesuffix(".wait") for path in shm_dir.glob("*.wait")})
    if not rings:
        raise FeedhandlerError(f"{shm_dir}: no rings here")
    for name in rings:
        reader = _native.RingReader(str(shm_dir), name)
        attach = reader.attach()
        if attach not in (Attach.OK, Attach.WRITER_DEAD, Attach.STALLED):
            print(f"{name}: {attach.name}", file=out)
            continue
        state = reader.state(clock.monotonic_ns(), STALL_NS)
        epochs = _native.ring_epochs(str(shm_dir), name)
        print(
            f"{name}: {state.name}, epoch {reader.epoch} of {len(epochs)} held, published {reader.published}, "
            f"capacity {reader.capacity}, writer pid {reader.writer_pid}",
            file=out,
        )
    return 0


def cat(shm_dir: Path, ring: str, *, count: int | None, follow: bool, oldest: bool, out: TextIO = sys.stdout) -> int:
    """Print records as JSON lines, and a line `{"lost": n}` where the ring went over us."""
    reader = Reader(shm_dir, ring, from_oldest=oldest)
    attach = reader.attach()
    if attach not in (Attach.OK, Attach.WRITER_DEAD, Attach.STALLED):
        raise FeedhandlerError(f"{shm_dir}/{ring}: {attach.name}")
    left = math.inf if count is None else count
    try:
        while left > 0:
            batch = reader.read()
            if batch.lost:
                print(json.dumps({"lost": batch.lost}), file=out)
            records = batch.records[: int(min(left, len(batch.records)))]
            for record in records:
                print(json.dumps(as_json(record)), file=out)
            left -= len(records)
            if not len(batch.records) and not batch.lost:
                if not follow:
                    break
                out.flush()
                reader.wait(_WAIT_NS)
    except KeyboardInterrupt:
        pass
    return 0


def as_json(record: "np.void") -> dict[str, Any]:
    """Return a record by field names, numbers as they are, NaN as null, kinds and sides by name."""
    names = record.dtype.names or ()
    result: dict[str, Any] = {}
    for name in names:
        value = record[name].item()
        if name in _NAMES:
            value = _name(name, value)
        result[name] = None if isinstance(value, float) and math.isnan(value) else value
    return result


def _name(field: str, value: int) -> str | int:
    try:
        return _NAMES[field](value).name
    except ValueError:
        return value
