"""Segments in memory and for whom: rights as other users see them, locked memory, huge pages, sizes that do not fit."""

import io
import os
import re
import resource
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedhandler import _native, config, doctor, doctor_memory, placement, process
from feedhandler.board import Board
from feedhandler.clock import Clock
from feedhandler.counters import Counter, Counters, read_file
from feedhandler.errors import ConfigError, SegmentDeniedError, SegmentSpaceError
from feedhandler.instruments import Directory, Instrument
from feedhandler.ring import Attach, Reader, aligned_records
from feedhandler.tick import Flag, Kind
from tests.support import boards
from tests.support.as_user import as_user, need_root
from tests.support.mounts import mounted

WRITER, READER, STRANGER = 64001, 64002, 64003  # uids that nobody has
GROUP, OTHER_GROUP = 64010, 64011
PAGES = {"r.wait", "board.parking"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in shared memory, opened to its users by the test itself."""
    with tempfile.TemporaryDirectory(prefix="fh-place-", dir="/dev/shm") as name:
        yield Path(name)


class System:
    """One of every segment."""

    def __init__(self, folder: Path, placed: _native.Placement) -> None:
        place = str(folder)
        self.clock = Clock(folder, placed)
        self.ring = _native.RingWriter(place, place, "r", 64, placement=placed)
        records = aligned_records(1)
        records["kind"], records["flags"], records["seq"] = Kind.TRADE, Flag.LAST, 1
        self.ring.append(records.view(np.uint8))
        self.ring.publish(0)
        self.board = boards.make(folder, placement=placed)
        boards.write(self.board, 1, 2.0)
        self.counters = Counters(folder, "p", placed)
        self.counters.add(Counter.FIX_TICKS, 3)
        self.directory = Directory(folder / "instruments.dir", writable=True, placement=placed)
        self.directory.add(Instrument(source=1, venue_symbol="A", symbol="A/B"))


def read_all(folder: Path) -> list[object]:
    """What a reader of every segment finds; it waits once, too."""
    reader = Reader(folder, "r", from_oldest=True, follow=False, losses="count")
    reader.open()
    records = len(reader.read().records)
    reader.wait(1_000_000)
    return [
        records, len(Board(folder).rows()), read_file(folder / "p.counters")["fix_ticks"][0],
        Directory(folder / "instruments.dir").of_symbol("A/B"), Clock(folder).now_ns() > 0,
    ]  # fmt: skip


def files(folder: Path) -> dict[str, tuple[str, int, int]]:
    """{name: (mode, uid, gid)} of the shared files; those of the epoch counter are the writer's own."""
    found = {path.name: path.stat() for path in folder.iterdir() if path.name != "r.epoch"}
    return {re.sub(r"\d{9,}", "N", n): (oct(stat.S_IMODE(s.st_mode)), s.st_uid, s.st_gid) for n, s in found.items()}


def open_to_users(folder: Path) -> None:
    os.chown(folder, WRITER, GROUP)
    folder.chmod(0o750)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_readers_of_the_group_map_everything_read_only_and_nobody_else_anything(folder: Path, umask: int) -> None:
    need_root()
    open_to_users(folder)

    def write() -> list[object]:
        system = System(folder, _native.Placement(group=OTHER_GROUP, mode=0o640))
        return [system.ring.published]

    assert as_user(write, WRITER, GROUP, groups=[OTHER_GROUP], umask=umask) == [1]
    os.chown(folder, WRITER, OTHER_GROUP)
    assert set(files(folder).values()) == {("0o640", WRITER, OTHER_GROUP)}
    assert as_user(lambda: read_all(folder), READER, OTHER_GROUP) == [1, 1, 3, [1], True]
    folder.chmod(0o755)  # not the folder alone keeps them out

    def attempts(flags: int) -> list[str]:
        opened = []
        for path in folder.iterdir():
            if path.name == "r.epoch":  # of the state folder
                continue
            try:
                os.close(os.open(path, flags))
                opened.append(path.name)
            except PermissionError:
                continue
        return opened

    names = set(as_user(lambda: attempts(os.O_RDONLY), READER, OTHER_GROUP))
    assert {re.sub(r"\d{9,}", "N", name) for name in names} >= set(files(folder))
    assert as_user(lambda: attempts(os.O_RDWR), READER, OTHER_GROUP) == []
    assert as_user(lambda: attempts(os.O_RDONLY), STRANGER, GROUP) == []
    for user in ((STRANGER, GROUP), (STRANGER, STRANGER)):
        with pytest.raises(SegmentDeniedError):
            as_user(lambda: read_all(folder), *user)


def test_0600_shuts_the_group_out_and_readers_park_opens_the_pages_alone(folder: Path) -> None:
    need_root()
    System(folder, _native.Placement(owner=WRITER, group=GROUP, mode=0o600))
    assert set(files(folder).values()) == {("0o600", WRITER, GROUP)}
    folder.chmod(0o755)
    with pytest.raises(SegmentDeniedError):
        as_user(lambda: read_all(folder), READER, GROUP)
    for path in folder.glob("r.[0-9]*"):
        path.unlink()  # what stays of an older epoch stays as it was made
    System(folder, _native.Placement(owner=WRITER, group=GROUP, mode=0o640, readers_park=True))
    found = files(folder)
    assert {name for name, facts in found.items() if facts[0] == "0o660"} == PAGES
    assert {facts for name, facts in found.items() if name not in PAGES} == {("0o640", WRITER, GROUP)}
    assert as_user(lambda: read_all(folder), READER, GROUP) == [1, 1, 3, [1], True]


def test_what_was_not_asked_for_stays_and_what_is_refused_is_said(folder: Path) -> None:
    need_root()
    System(folder, _native.Placement(owner=WRITER, group=GROUP, mode=0o600))
    Clock(folder)  # a tool of root's that looks
    assert files(folder)["clock"] == ("0o600", WRITER, GROUP)
    open_to_users(folder)

    def give_away() -> object:
        return _native.Counters(str(folder), "q", 0, _native.Placement(group=OTHER_GROUP))

    with pytest.raises(SegmentDeniedError, match=f"giving it to user {WRITER}, group {OTHER_GROUP}"):
        as_user(give_away, WRITER, GROUP)
    assert not [path for path in folder.iterdir() if path.name.startswith("q.")]


def test_a_folder_is_made_for_its_readers_and_one_that_is_there_left_alone(folder: Path) -> None:
    need_root()
    placed = _native.Placement(owner=WRITER, group=GROUP, mode=0o640)
    placement.make_folder(folder / "a" / "b", placed)
    made = (folder / "a" / "b").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (0o750, WRITER, GROUP)
    (folder / "mine").mkdir(mode=0o755)
    placement.make_folder(folder / "mine", placed)
    assert (folder / "mine").stat().st_uid == os.geteuid()


def small_memlock(act: Callable[[], Any]) -> Any:
    """Call as a user who may lock 64 KiB."""

    def limited() -> Any:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))
        return act()

    return as_user(limited, WRITER, GROUP)


def locked_kib() -> int:
    found = re.search(r"^VmLck:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else -1


def test_memory_is_locked_or_refused_by_choice(folder: Path) -> None:
    need_root()
    open_to_users(folder)

    def make(mlock: str, capacity: int) -> int:
        ring = _native.RingWriter(str(folder), str(folder), "r", capacity, placement=_native.Placement(mlock=mlock))
        assert ring.epoch
        return locked_kib()

    assert small_memlock(lambda: make("off", 64)) == 0
    assert small_memlock(lambda: make("require", 64)) == 4 + 4 + 4  # parking page, header, 64 records
    before = files(folder)
    with pytest.raises(
        SegmentSpaceError, match=r"locking \d+ bytes into memory: RLIMIT_MEMLOCK allows 65536; raise it"
    ):
        small_memlock(lambda: make("require", 1 << 14))
    assert files(folder) == before, "nothing is left of the ring that was refused"
    assert small_memlock(lambda: make("try", 1 << 14)) == 4


def test_huge_pages_are_used_where_the_mount_has_them(tmp_path: Path) -> None:
    with mounted("tmpfs", "size=32m,mode=755,huge=advise") as mount:

        def huge_kib(*, huge: bool) -> int:
            held = _native.RingWriter(
                str(mount), str(tmp_path), f"r{huge:d}", 1 << 17, placement=_native.Placement(huge=huge)
            )
            mapped = Path("/proc/self/smaps").read_text().split(f"/r{huge:d}.{held.epoch}\n")[1]
            found = re.search(r"(?:Shmem|File)PmdMapped:\s*(\d+) kB", mapped)
            assert found is not None
            return int(found[1])

        assert as_user(lambda: huge_kib(huge=False), 0, 0) == 0
        assert as_user(lambda: huge_kib(huge=True), 0, 0) >= 2048


def system(capacity: int = 1 << 20, memory: str = "", folder: str = "/dev/shm/feedhandler-demo") -> str:
    return f"""
[feedhandler]
name = "demo"
shm_dir = "{folder}"
[memory]
{memory}
[[handler]]
name = "h1"
ring_capacity = {capacity}
[[handler.source]]
name = "v"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "S"
target = "T"
[[handler.source.instruments]]
venue = "A"
symbol = "A/B"
tick = 1.0
lot = 1.0
price_decimals = 1
size_decimals = 0
[conflator]
derived_capacity = 65536
"""


def load(path: Path, text: str, *, check_host: bool = True) -> config.Config:
    path.write_text(text)
    return config.load(path, check_host=check_host)


def test_what_is_needed_is_what_is_taken(folder: Path, tmp_path: Path) -> None:
    settings = load(tmp_path / "c.toml", system(4096, folder=str(folder)))
    needed = {need.what: need.size for need in placement.needs(settings)}
    place = str(folder)
    held = [
        _native.RingWriter(place, place, "h1", 4096), _native.RingWriter(place, place, "derived", 65536),
        _native.BoardWriter(place, 10, 1024, 1), Counters(folder, "h1"),
    ]  # fmt: skip
    sizes = {re.sub(r"\.\d{9,}", "", path.name): path.stat().st_size for path in folder.iterdir()}
    assert held
    assert (needed["ring h1"], needed["ring derived"]) == (sizes["h1"], sizes["derived"])
    assert needed["board of 1024 rows"] == sizes["board"]
    assert {needed[f"counters of {p}"] for p in ("h1", "conflator", "bridge", "recorder")} == {sizes["h1.counters"]}


def test_a_system_that_does_not_fit_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    with mounted("tmpfs", "size=4m,mode=755") as mount:
        path = tmp_path / "c.toml"
        load(path, system(4096, folder=f"{mount}/demo").replace("65536", "1024"))
        text = system(65536, folder=f"{mount}/demo")
        with pytest.raises(ConfigError) as caught:
            load(path, text)
        assert str(caught.value) == (
            f"{path}: handler[0].ring_capacity: got 65536, expected segments that fit into {mount}: 4 MiB are there, "
            "9 MiB are needed, 5 MiB of them for the ring h1"
        )
        assert not (mount / "demo").exists()
        settings = load(path, text, check_host=False)
        with pytest.raises(ConfigError, match=r"got 65536, expected .* 5 MiB are needed"):
            placement.check_process(path, settings, "h1")
        placement.check_process(path, settings, "recorder")


def test_dead_epochs_that_stay_count_and_a_running_system_does_not_count_twice(tmp_path: Path) -> None:
    with mounted("tmpfs", "size=2m,mode=755") as mount:
        path, text = tmp_path / "c.toml", system(4096, folder=f"{mount}/demo").replace("65536", "1024")
        settings = load(path, text)
        place = str(mount / "demo")
        running = _native.RingWriter(place, str(tmp_path), "h1", 4096)
        placement.check_system(path, settings)
        for _ in range(3):
            del running
            running = _native.RingWriter(place, str(tmp_path), "h1", 4096)
        placement.check_system(path, settings)
        del running
        with pytest.raises(ConfigError, match="for dead epochs that stay"):
            load(path, text.replace("ring_capacity = 4096", "ring_capacity = 16384"))


def test_a_hosts_memory_counts_as_well_as_its_shared_memory(tmp_path: Path) -> None:
    def host(kib: int, limit: str = "", parent: str = "") -> Path:
        for name, text in {
            "proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable:   {kib} kB\n",
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/memory.max": limit or "max",
            "sys/fs/cgroup/a/b/memory.current": "1000",
            "sys/fs/cgroup/a/memory.max": parent or "max",
            "sys/fs/cgroup/a/memory.current": "6000",
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text + "\n")
        return tmp_path

    assert placement.available_memory(host(10)) == 10240
    assert placement.available_memory(host(10, limit="5000")) == 4000
    assert placement.available_memory(host(10, limit="5000", parent="7000")) == 1000
    assert placement.available_memory(host(1, limit="50000")) == 1024
    assert placement.available_memory(tmp_path / "nothing") is None


def test_too_little_memory_is_refused_like_too_little_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "available_memory", lambda: 50 << 20)
    with pytest.raises(
        ConfigError, match=r"expected segments that fit into this host's memory: 50 MiB are there, 69 MiB"
    ):
        load(tmp_path / "c.toml", system(folder=f"/dev/shm/{tmp_path.name}"))


def test_a_process_says_before_it_starts_that_it_may_not_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_root()
    path = tmp_path / "c.toml"
    lacking = "h1 locks 65 MiB into memory and RLIMIT_MEMLOCK allows 64 KiB: LimitMEMLOCK=infinity in the unit"
    settings = load(path, system(memory='mlock = "try"'), check_host=False)
    tmp_path.chmod(0o755)
    assert lacking in small_memlock(lambda: placement.check_memlock("c.toml", settings, "h1"))
    assert small_memlock(lambda: placement.check_memlock("c.toml", settings, "bridge")) == "", "its counters fit"
    settings.memory.mlock = "off"
    assert small_memlock(lambda: placement.check_memlock("c.toml", settings, "h1")) == ""
    settings.memory.mlock = "require"
    assert placement.check_memlock("c.toml", settings, "h1") == "", "root may lock what it wants"
    with pytest.raises(ConfigError, match=f'memory.mlock: got "require", expected a host that allows it.*{lacking}'):
        small_memlock(lambda: placement.check_memlock("c.toml", settings, "h1"))
    monkeypatch.setattr(placement, "memlock_allowed", lambda: 4096)
    load(path, system(memory='mlock = "require"', folder=str(tmp_path / "shm")), check_host=False)
    with pytest.raises(SystemExit) as ended, process.start("recorder", ["--config", str(path)]):
        pytest.fail("it started")
    assert ended.value.code == 2
    assert "memory.mlock" in capsys.readouterr().err
    assert not (tmp_path / "shm").exists()


def test_a_process_makes_its_segments_as_the_configuration_says(folder: Path, tmp_path: Path) -> None:
    need_root()
    path = tmp_path / "c.toml"
    load(path, system(memory=f'group = "{GROUP}"\nreaders_park = true', folder=str(folder / "shm")), check_host=False)

    def run() -> dict[str, tuple[str, int, int]]:
        with process.start("recorder", ["--config", str(path)]) as runtime:
            Clock(folder / "shm", runtime.placement)
            return files(folder / "shm")

    assert as_user(run, 0, 0) == {"recorder.counters": ("0o640", 0, GROUP), "clock": ("0o640", 0, GROUP)}
    made = (folder / "shm").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o750, GROUP)
    assert Reader(folder / "shm", "r", follow=False, losses="count").attach() == Attach.MISSING


def test_the_doctor_says_what_a_configuration_lacks_here() -> None:
    with mounted("tmpfs", "size=4m,mode=755") as mount:
        path = mount / "c.toml"  # as another user sees it
        path.write_text(system(65536, 'mlock = "try"\ngroup = "no-such-group"', f"{mount}/demo"))
        found = small_memlock(lambda: doctor_memory.examine(path))
        assert {finding.name: finding.verdict for finding in found} == {
            "segments of this system": "lacking", "accounts": "lacking", "memlock of h1": "lacking",
            "memlock of conflator": "lacking", "memlock of bridge": "ok", "memlock of recorder": "ok",
        }  # fmt: skip
        assert all(
            ("LimitMEMLOCK" if "memlock" in f.name else str(path)) in f.advice for f in found if f.verdict != "ok"
        )
        path.write_text(system(1024, folder=f"{mount}/demo").replace("65536", "1024"))
        assert {finding.verdict for finding in doctor_memory.examine(path)} == {"ok"}
        out = io.StringIO()
        assert doctor.main(as_json=True, seconds=0, config=path, out=out) == 0
        assert "segments of this system" in out.getvalue()
