"""Every bound of configuration, processes and supervision in one place, their relations asserted."""

from typing import Final

CONTROL_REQUEST_BYTES_MAX: Final = 1 << 20
CONTROL_REQUESTS_PER_POLL: Final = 16  # A caller in a loop must not starve the data path.
CONTROL_LINGER_MS: Final = 500  # The reply to `stop` still leaves while the process ends.
CONTROL_RECONNECT_MS: Final = 20

UNIX_SOCKET_PATH_BYTES_MAX: Final = 107  # sockaddr_un on Linux, without the closing NUL
NAME_CHARS_MAX: Final = 31  # a process: the counters file keeps 32 bytes for it, the ring's header 64
SYMBOL_CHARS_MAX: Final = 63
INSTRUMENTS_FILE_BYTES_MAX: Final = 64 << 20
CONFIG_FILE_BYTES_MAX: Final = 16 << 20
RECORD_BYTES: Final = 64
MIB: Final = 1 << 20
RING_CAPACITY_MIN: Final = 1024
RING_CAPACITY_MAX: Final = 1 << 32
SOURCES_MAX: Final = 64  # the directory and the ring's notes have that many
ENDPOINTS_MAX: Final = 16  # further ones of a source, behind host and port
CORE_MAX: Final = 1023  # cpu_set_t
SLICE_US_MIN: Final = 100  # Linux clamps a scheduler slice to 100 us .. 100 ms.
SLICE_US_MAX: Final = 100_000

SUPERVISOR_BACKOFF_MIN_NS: Final = 100_000_000
SUPERVISOR_BACKOFF_MAX_NS: Final = 5_000_000_000
SUPERVISOR_HEALTHY_NS: Final = 10_000_000_000
SUPERVISOR_STOP_NS: Final = 5_000_000_000  # for each stage of the ordered stop, then SIGKILL
SUPERVISOR_DRAIN_NS: Final = 20_000_000_000  # for the recorder, which drains the rings first

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2

assert SUPERVISOR_BACKOFF_MIN_NS < SUPERVISOR_BACKOFF_MAX_NS < SUPERVISOR_HEALTHY_NS
assert RING_CAPACITY_MIN & (RING_CAPACITY_MIN - 1) == 0
assert RING_CAPACITY_MAX & (RING_CAPACITY_MAX - 1) == 0
assert SLICE_US_MIN < SLICE_US_MAX
