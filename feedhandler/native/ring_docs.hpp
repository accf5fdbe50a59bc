// What help() says of feedhandler.ring.Reader and MergedReader.
#pragma once

namespace fh::python::docs {

inline constexpr const char* READ =
    R"(Return the next batch: at most `max` records, waiting up to `timeout` seconds (None: for ever) for it.

Records are copied to `out` (dtype TICK, contiguous), and the batch's array is `out` or a part of it. Without `out` they
lie in the reader's own memory: valid until the next read. Copy what you keep.

The GIL is released once a batch, and while waiting; signal handlers run within 50 ms. Raises LostError; SegmentError
where a ring cannot be attached or followed and waiting mends nothing; ValueError for an `out` that cannot take records,
`max` below 1, `timeout` NaN; RuntimeError while another thread reads.)";

inline constexpr const char* VIEW =
    R"(Borrow records in place: (first seq, read-only array). Outside the memory-model guarantee. Not filtered.

Use them, ask `still_valid(first)`, and only then trust what was computed; then `advance(len(records))`. The array keeps
its epoch's memory mapped as long as it lives. An empty view, or one that is not valid any more, is followed by a `read`:
it tells what is lost, and goes on with the next epoch. ValueError where there is a filter.)";

inline constexpr const char* STILL_VALID =
    "Whether nothing from seq `first` of the last view on has been overwritten. False once another epoch is attached.";

inline constexpr const char* ADVANCE =
    "Move past records of the last view. ValueError where it had fewer, or something else was read since.";

inline constexpr const char* ATTACH =
    "Map the newest epoch; return OK, MISSING, STARTING, VERSION_MISMATCH, DENIED or DAMAGED (see `problem`).";

inline constexpr const char* OPEN =
    "Attach, or raise the SegmentError that says why not: SegmentMissingError is worth another try.";

inline constexpr const char* FOLLOW =
    R"(Go on with the next epoch once this one is drained and its writer is dead. True if it moved.

What is gone of the new epoch already is the next read's loss; so is 1 for epochs in between that are gone as a whole or
cannot be read. Reads do this by themselves, but for `follow=False`.)";

inline constexpr const char* WAIT =
    "Wait for a record or a newer epoch; False on timeout. Releases the GIL; signal handlers run within 50 ms.";

inline constexpr const char* FILENO =
    R"(Return a descriptor for event loops: readable while there is something to read. Never read or close it.

Read until a batch is empty, then wait for it. The first call starts a thread that parks in this reader's place: one wake
of a thread more for each wait. Make it after a fork. OSError where the system gives no descriptor or thread.)";

inline constexpr const char* SEEK = "Go on with the record of this seq: a position that `next` once was.";

inline constexpr const char* STATE =
    "Tell a living (OK), stopped (STALLED: no heartbeat for `stall_ns`) and dead (WRITER_DEAD) writer apart.";

}  // namespace fh::python::docs
