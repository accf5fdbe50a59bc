"""What the kernel's files say about a host: each finding has a verdict and what to do about it."""

import os
import re
import resource
from pathlib import Path
from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "lacking", "unknown"]

MEMLOCK_BYTES_MIN = 1 << 30
NOFILE_MIN = 65536
SOCKET_BUFFER_BYTES_MIN = 16 << 20
SHM_BYTES_MIN = 1 << 30
TIMER_SLACK_NS_MAX = 50_000
KERNEL_MIN = (5, 10)  # pidfd_open, and the futex and eventfd behaviour we rely on
KERNEL_SLICES = (6, 12)


class Finding(Struct, frozen=True):
    """One property of the host."""

    name: str
    verdict: Verdict
    value: str
    advice: str = ""


def examine(root: Path = Path("/")) -> list[Finding]:
    """Return all findings, in the order in which they are worth mending."""
    files = [
        _cores, _isolated, _governor, _smt, _huge_pages, _transparent_huge_pages, _shared_huge_pages,
        _shared_memory, _clock_source,
        _timer_slack, _numa, _kernel, _virtual, _receive_buffer, _send_buffer,
    ]  # fmt: skip
    limits = [_memlock(), _nofile(), _rtprio()]
    return [check(root) for check in files] + limits


def _read(root: Path, path: str) -> str | None:
    try:
        return (root / path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _verdict(name: str, *, good: bool | None, value: str, advice: str) -> Finding:
    return Finding(name, "unknown" if good is None else "ok" if good else "lacking", value, "" if good else advice)


def core_list(text: str) -> set[int]:
    """Return the cores of a kernel list such as `0-3,8`; empty for text that is none."""
    cores: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        cores.update(range(int(first), int(last or first) + 1))
    return cores


def _cores(root: Path) -> Finding:
    online = core_list(_read(root, "sys/devices/system/cpu/online") or "")
    advice = "handler, conflator, bridge and recorder want a core each; with fewer they park instead of spinning"
    return _verdict("cores", good=len(online) >= 4 if online else None, value=f"{len(online)} online", advice=advice)


def _isolated(root: Path) -> Finding:
    text = _read(root, "sys/devices/system/cpu/isolated")
    advice = "boot with isolcpus=, nohz_full= and rcu_nocbs= for the cores of handler and conflator, and pin them"
    return _verdict("isolated cores", good=None if text is None else bool(text), value=text or "none", advice=advice)


def _governor(root: Path) -> Finding:
    governors = {path.read_text().strip() for path in root.glob("sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")}
    advice = "cpupower frequency-set -g performance"
    good = None if not governors else governors == {"performance"}
    return _verdict("frequency governor", good=good, value=", ".join(sorted(governors)) or "not visible", advice=advice)


def _smt(root: Path) -> Finding:
    text = _read(root, "sys/devices/system/cpu/smt/active")
    advice = "a sibling thread shares the hot core's caches: switch SMT off, or leave the siblings of pinned cores idle"
    value = {"0": "off", "1": "on"}.get(text or "", "not visible")
    return _verdict("hyper-threading", good={"0": True, "1": False}.get(text or ""), value=value, advice=advice)


def _huge_pages(root: Path) -> Finding:
    text = _read(root, "proc/sys/vm/nr_hugepages")
    advice = "vm.nr_hugepages and a hugetlbfs mount as shm_dir save TLB misses on large rings"
    good = None if text is None else text != "0"
    return _verdict("huge pages", good=good, value=text or "not visible", advice=advice)


def _transparent_huge_pages(root: Path) -> Finding:
    text = _read(root, "sys/kernel/mm/transparent_hugepage/enabled") or ""
    chosen = re.search(r"\[(\w+)\]", text)
    advice = "`always` lets the kernel stop a process to compact memory: echo madvise into it"
    good = None if chosen is None else chosen[1] != "always"
    return _verdict("transparent huge pages", good=good, value=chosen[1] if chosen else "not visible", advice=advice)


def _shared_huge_pages(root: Path) -> Finding:
    mounts = _read(root, "proc/mounts") or ""
    options = re.search(r"^\S+ /dev/shm tmpfs (\S+)", mounts, re.MULTILINE)
    huge = re.search(r"\bhuge=(\w+)", options[1]) if options else None
    advice = "memory.huge_pages has no effect on this mount: mount -o remount,huge=advise /dev/shm (and in fstab)"
    good = None if options is None else huge is not None and huge[1] != "never"
    value = f"huge={huge[1]}" if huge else "huge=never" if options else "not visible"
    return _verdict("huge pages in /dev/shm", good=good, value=value, advice=advice)


def _shared_memory(root: Path) -> Finding:
    try:
        facts = os.statvfs(root / "dev/shm")
    except OSError as error:
        return Finding("shared memory", "lacking", error.strerror or "not there", "mount a tmpfs on /dev/shm")
    free = facts.f_bavail * facts.f_frsize
    advice = "rings live in /dev/shm: mount it with size=, or point shm_dir at a tmpfs with room (Docker: --shm-size)"
    return _verdict("shared memory", good=free >= SHM_BYTES_MIN, value=f"{free >> 20} MiB free", advice=advice)


def _clock_source(root: Path) -> Finding:
    text = _read(root, "sys/devices/system/clocksource/clocksource0/current_clocksource")
    advice = "a clock read is a system call with this source: boot with tsc=reliable clocksource=tsc where that is true"
    good = None if text is None else text in ("tsc", "kvm-clock", "arch_sys_counter")
    return _verdict("clock source", good=good, value=text or "not visible", advice=advice)


def _timer_slack(root: Path) -> Finding:
    text = _read(root, "proc/self/timerslack_ns")
    advice = "timers may fire so much late: systemd TimerSlackNSec=1us, or prctl(PR_SET_TIMERSLACK)"
    good = None if text is None else int(text) <= TIMER_SLACK_NS_MAX
    return _verdict("timer slack", good=good, value=f"{text} ns" if text else "not visible", advice=advice)


def _numa(root: Path) -> Finding:
    nodes = core_list(_read(root, "sys/devices/system/node/online") or "")
    advice = "keep handler, conflator, rings and network card on one node: numactl --cpunodebind --membind"
    return _verdict("NUMA", good=len(nodes) <= 1 if nodes else None, value=f"{len(nodes)} nodes", advice=advice)


def _kernel(root: Path) -> Finding:
    text = _read(root, "proc/sys/kernel/osrelease") or ""
    numbers = re.match(r"(\d+)\.(\d+)", text)
    version = (int(numbers[1]), int(numbers[2])) if numbers else None
    advice = f"Linux {'.'.join(map(str, KERNEL_MIN))} or later is needed"
    slices = ", takes slice_us" if version is not None and version >= KERNEL_SLICES else ""
    good = None if version is None else version >= KERNEL_MIN
    return _verdict("kernel", good=good, value=(text or "not visible") + slices, advice=advice)


def _virtual(root: Path) -> Finding:
    hints = []
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        hints.append("container")
    if re.search(r"^flags\s*:.*\bhypervisor\b", _read(root, "proc/cpuinfo") or "", re.MULTILINE):
        hints.append("virtual machine")
    advice = "other tenants add latency that no setting here removes; measure tails on metal"
    return _verdict("own hardware", good=not hints, value=", ".join(hints) or "no sign of a hypervisor", advice=advice)


def _receive_buffer(root: Path) -> Finding:
    return _buffer(root, "receive buffer", "rmem_max")


def _send_buffer(root: Path) -> Finding:
    return _buffer(root, "send buffer", "wmem_max")


def _buffer(root: Path, name: str, key: str) -> Finding:
    text = _read(root, f"proc/sys/net/core/{key}")
    good = None if text is None else int(text) >= SOCKET_BUFFER_BYTES_MIN
    advice = f"a burst must fit into the socket while the reader waits: sysctl net.core.{key}={SOCKET_BUFFER_BYTES_MIN}"
    return _verdict(name, good=good, value=f"{text} bytes" if text else "not visible", advice=advice)


def _soft(limit: int) -> tuple[float, str]:
    soft = resource.getrlimit(limit)[0]
    return (float("inf"), "unlimited") if soft == resource.RLIM_INFINITY else (soft, str(soft))


def _memlock() -> Finding:
    value, text = _soft(resource.RLIMIT_MEMLOCK)
    advice = "rings cannot be locked into memory: LimitMEMLOCK=infinity in the unit, or limits.conf"
    return _verdict("memlock", good=value >= MEMLOCK_BYTES_MIN, value=text, advice=advice)


def _nofile() -> Finding:
    value, text = _soft(resource.RLIMIT_NOFILE)
    advice = "each client and each ring is a file: LimitNOFILE=65536"
    return _verdict("open files", good=value >= NOFILE_MIN, value=text, advice=advice)


def _rtprio() -> Finding:
    value, text = _soft(resource.RLIMIT_RTPRIO)
    advice = "no realtime priority, and nice values below 0 need CAP_SYS_NICE: LimitRTPRIO=99, LimitNICE=-20"
    return _verdict("realtime priority", good=value > 0, value=text, advice=advice)
