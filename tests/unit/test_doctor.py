"""The doctor: what it concludes from a host's files, and that its measurements are measurements."""

import io
import json
from pathlib import Path

import pytest

from feedhandler import doctor, doctor_host, doctor_measure

FAST = {
    "sys/devices/system/cpu/online": "0-7\n",
    "sys/devices/system/cpu/isolated": "2-5\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/smt/active": "0\n",
    "proc/sys/vm/nr_hugepages": "512\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "proc/mounts": "proc /proc proc rw 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,huge=advise,inode64 0 0\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "proc/self/timerslack_ns": "1000\n",
    "sys/devices/system/node/online": "0\n",
    "proc/sys/kernel/osrelease": "6.12.1-rt\n",
    "proc/cpuinfo": "flags\t\t: fpu tsc\n",
    "proc/sys/net/core/rmem_max": "33554432\n",
    "proc/sys/net/core/wmem_max": "33554432\n",
}
SLOW = {
    "sys/devices/system/cpu/online": ("0-1", "cores"),
    "sys/devices/system/cpu/isolated": ("", "isolated cores"),
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": ("powersave", "frequency governor"),
    "sys/devices/system/cpu/smt/active": ("1", "hyper-threading"),
    "proc/sys/vm/nr_hugepages": ("0", "huge pages"),
    "sys/kernel/mm/transparent_hugepage/enabled": ("[always] madvise never", "transparent huge pages"),
    "proc/mounts": ("tmpfs /dev/shm tmpfs rw,nosuid 0 0", "huge pages in /dev/shm"),
    "sys/devices/system/clocksource/clocksource0/current_clocksource": ("hpet", "clock source"),
    "proc/self/timerslack_ns": ("100000", "timer slack"),
    "sys/devices/system/node/online": ("0-1", "NUMA"),
    "proc/sys/kernel/osrelease": ("4.18.0", "kernel"),
    "proc/cpuinfo": ("flags : fpu hypervisor", "own hardware"),
    "proc/sys/net/core/rmem_max": ("212992", "receive buffer"),
    "proc/sys/net/core/wmem_max": ("212992", "send buffer"),
}
OURS = {"memlock", "open files", "realtime priority", "shared memory"}  # this process's, whatever the root


def host(root: Path, files: dict[str, str]) -> dict[str, str]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return {f.name: f.verdict for f in doctor_host.examine(root) if f.name not in OURS}


def test_a_host_made_for_low_latency_lacks_nothing(tmp_path: Path) -> None:
    assert set(host(tmp_path, FAST).values()) == {"ok"}


@pytest.mark.parametrize("path", SLOW)
def test_each_lack_is_found_alone_and_has_advice(tmp_path: Path, path: str) -> None:
    text, name = SLOW[path]
    verdicts = host(tmp_path, {**FAST, path: text})
    assert [n for n, verdict in verdicts.items() if verdict != "ok"] == [name]
    assert all(f.advice for f in doctor_host.examine(tmp_path) if f.verdict == "lacking")


def test_what_is_not_visible_is_unknown_and_never_good(tmp_path: Path) -> None:
    verdicts = host(tmp_path, {})
    assert set(verdicts.values()) <= {"unknown", "ok"}
    assert [name for name, verdict in verdicts.items() if verdict == "ok"] == ["own hardware"]


@pytest.mark.parametrize(
    ("text", "cores"), [("", set()), ("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("x", set()), ("3-1", set())]
)
def test_core_lists(text: str, cores: set[int]) -> None:
    assert doctor_host.core_list(text) == cores


def test_measurements_are_positive_and_ordered() -> None:
    measured = doctor_measure.measure(0.05)
    assert sorted(measured) == ["pipe_round_trip_ns", "system_call_ns", "timer_overshoot_ns", "wake_ns"]
    for name, result in measured.items():
        assert 0 <= result["p50"] <= result["p99"] <= result["max"], name
        assert result["samples"] >= 1
    for name in ("pipe_round_trip_ns", "wake_ns", "timer_overshoot_ns"):
        assert measured[name]["max"] > 0


def test_the_measurement_leaves_nothing_in_shared_memory() -> None:
    doctor_measure.wake(0.01)
    assert not list(Path("/dev/shm").glob("feedhandler-doctor-*"))


def test_json_and_text_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = doctor_host.examine()  # once: free memory and the like change between two looks
    monkeypatch.setattr(doctor_host, "examine", lambda: seen)
    out = io.StringIO()
    assert doctor.main(as_json=True, seconds=0, out=out) == 0
    report = json.loads(out.getvalue())
    text = io.StringIO()
    doctor.main(as_json=False, seconds=0, out=text)
    for finding in report["findings"]:
        assert f"{finding['name']:<22} {finding['value']}" in text.getvalue()
    assert report["measured"] == {}
