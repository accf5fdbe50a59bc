"""Every named point of the ring (shm/point.hpp), and what a writer that dies there leaves behind."""

# Point of the ring's writer: (passages at which it is tried, how the writer's epoch ends: see rig.ENDINGS).
WRITER = {
    "lock.opened": ((1,), "no_epoch"),
    "epoch.locked": ((1,), "no_epoch"),
    "epoch.drafted": ((1,), "no_epoch"),
    "epoch.persisted": ((1,), "no_epoch"),
    "epoch.created": ((1,), "no_epoch"),
    "epoch.allocated": ((1,), "no_epoch"),
    "epoch.ready": ((1,), "no_epoch"),
    "epoch.renamed": ((1,), "empty"),
    "epoch.hinted": ((1,), "empty"),
    "epoch.woken": ((1,), "empty"),
    "epoch.unlinked": ((1,), "empty"),
    "ring.claimed": ((1, 2, 9, 100), "invisible"),
    # The words of the first record, of one in the middle, of the first behind the ring's end, and far behind.
    "words.stored": ((*range(1, 9), *range(801, 809), *range(8 * 1024 - 3, 8 * 1024 + 9), 100_003), "invisible"),
    "ring.appended": ((1, 2, 1023, 1024, 1025, 5000), "invisible"),
    "ring.ended": ((1, 2, 3, 500), "invisible"),
    "note.cleared": ((1, 2, 3, 400), "invisible"),
    "note.placed": ((1, 2, 3, 400), "invisible"),
    "note.written": ((1, 2, 3, 400), "invisible"),
    "ring.stamped": ((1, 2, 300), "invisible"),
    "ring.published": ((1, 2, 300), "visible"),
    "wake.parked_seen": ((1, 2, 7), "visible"),
    "wake.parked_cleared": ((1, 2, 7), "visible"),
    "wake.raised": ((1, 2, 7), "visible"),
    "wake.called": ((1, 2, 7), "visible"),
}

# Point of a ring's reader: passages at which it is tried. Its successor goes on where it stood.
READER = {
    "read.copied": (1, 2, 50),
    "read.sought": (1, 2, 10),
    "park.wake_read": (1, 5),
    "park.parked_set": (1, 5),
    "park.checked": (1, 5),
}
