"""`feedhandler ring unlink`: frees the memory of what nobody writes any more.

A writer that lives keeps what it writes: its lock is the proof, or for counters and clock that a process maps them.
Whoever has an unlinked file mapped goes on with it, and its memory comes back when the last one lets go.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from feedhandler import _native
from feedhandler.errors import FeedhandlerError, UsageError
from feedhandler.ring_tool import mapped, text
from feedhandler.ring_tool.place import Place
from feedhandler.ring_tool.segments import Segment, scan, writer_pid

# Of a ring and of the board, what goes last and only with the whole.
_LAST = ("wait", "lock")
# Rings that no writer of this release takes notes from.
_UNREADABLE = ("VERSION_MISMATCH", "DAMAGED")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`force` takes what lives as well; `newest` each dead ring's newest epoch, whose notes its successor needs."""

    dry_run: bool = False
    force: bool = False
    newest: bool = False


class Verdict(msgspec.Struct, kw_only=True):
    """What became of a segment, or would, and why."""

    segment: Segment
    goes: bool
    why: str


def unlink(
    place: Place,
    targets: Sequence[str],
    options: Options,
    *,
    everything: bool = False,
    as_json: bool = False,
) -> int:
    """Remove what is dead of the named rings and segments, or of all there is; name each, and what is kept.

    Returns 0, or 1 where nothing of what was named could go. Raises UsageError where nothing is named,
    FeedhandlerError where there is no such ring or segment.
    """
    if bool(targets) == everything:
        raise UsageError("what shall go? name rings or segments, or give --all for everything that is dead")
    segments = scan(place.shm_dir)
    groups = grouped(segments)
    verdicts: list[Verdict] = []
    for name in [*groups] if everything else targets:
        if name in groups:
            verdicts += _group(place, name, groups[name], options)
        else:
            verdicts += _single(place, name, segments, options)
    _print(verdicts, options, as_json=as_json)
    return 0 if everything or any(verdict.goes for verdict in verdicts) else 1


def grouped(segments: Iterable[Segment]) -> dict[str, list[Segment]]:
    """Return {name: segments}: a ring with all its files, the board with its own, each other file by itself."""
    groups: dict[str, list[Segment]] = {}
    for segment in segments:
        board = segment.name == "board" or segment.name.startswith("board.")
        groups.setdefault("board" if board else segment.ring or segment.name, []).append(segment)
    # The clock goes last: what lives is known by then.
    return dict(sorted(groups.items(), key=lambda item: item[0] == "clock"))


def _group(place: Place, name: str, members: list[Segment], options: Options) -> list[Verdict]:
    """Judge and remove a ring or the board under its own lock, so that no writer starts meanwhile."""
    lock = place.shm_dir / f"{name}.lock"
    held, writer = _exclude(lock, options)
    rings = [member for member in members if member.kind == "ring"]
    verdicts: list[Verdict] = []
    for member in sorted(members, key=lambda each: _LAST.index(each.kind) if each.kind in _LAST else -1):
        if member.kind in _LAST:
            whole = not writer and all(verdict.goes for verdict in verdicts)
            why = "the rest of it is gone" if whole else "goes with the last of it"
            verdict = Verdict(segment=member, goes=whole, why=why)
        else:
            verdict = judge(member, options, writer=writer, newest=bool(rings) and member is rings[-1])
        verdicts.append(_carry_out(verdict, options))
    if held is not None and held.made:
        lock.unlink(missing_ok=True)  # nobody's but ours: it was made to keep writers out meanwhile
    del held  # the exclusion ends when everything is done
    return verdicts


def _exclude(lock: Path, options: Options) -> tuple[Any, bool]:
    """Return (the lock, whether a writer has it). A dry run only looks: it must refuse no writer that starts."""
    if options.dry_run:
        return None, lock.exists() and _native.locked(str(lock))
    held = _native.hold_lock(str(lock))
    return held, held is None


def _single(place: Place, name: str, segments: list[Segment], options: Options) -> list[Verdict]:
    for segment in segments:
        if segment.name != name:
            continue
        lock = place.shm_dir / f"{segment.ring or segment.name.partition('.')[0]}.lock"
        writer = lock.exists() and _native.locked(str(lock))
        if segment.kind in _LAST:
            verdict = Verdict(segment=segment, goes=False, why="goes with the last of its ring: name that")
        else:
            epochs = [each for each in segments if each.kind == "ring" and each.ring == segment.ring]
            verdict = judge(segment, options, writer=writer, newest=bool(epochs) and segment is epochs[-1])
        return [_carry_out(verdict, options)]
    raise FeedhandlerError(f"{place.shm_dir}/{name}: no such ring or segment")


def judge(segment: Segment, options: Options, *, writer: bool, newest: bool = False) -> Verdict:
    """Return whether a segment may go. `writer`: somebody holds the lock of its ring, or of the board."""
    if segment.kind == "other":
        return Verdict(segment=segment, goes=False, why="not feedhandler's")
    alive, why = living(segment, writer=writer)
    if alive and options.force:
        return Verdict(segment=segment, goes=True, why=f"forced: {why}")
    if newest and not alive and segment.state not in _UNREADABLE:
        if not options.newest:
            return Verdict(segment=segment, goes=False, why=f"{why}; the newest epoch, for who comes next: --newest")
        why += "; the newest epoch: who comes next begins without its notes"
    return Verdict(segment=segment, goes=not alive, why=why)


def living(segment: Segment, *, writer: bool) -> tuple[bool, str]:
    """Return (whether somebody writes it, how that is known)."""
    if segment.state == "DENIED":
        return True, "may not be read by this user, so nobody knows"
    if segment.kind == "clock":
        return _mapped(segment)
    if segment.kind == "counters":
        return _counting(segment)
    if segment.kind == "checkpoint":
        alive = segment.state == "OK"
    else:
        alive = _native.locked(segment.path) if segment.kind == "ring" else writer
    if not alive:
        return False, "its writer is dead"
    return True, f"its writer, pid {segment.pid}, lives" if segment.pid else "its writer lives"


def _counting(segment: Segment) -> tuple[bool, str]:
    pid = writer_pid(Path(segment.path), "counters")
    maps = mapped.maps(pid, Path(segment.path))
    if maps is None:
        return True, f"perhaps in use: pid {pid} may not be looked into"
    return maps, f"its process, pid {pid}, lives" if maps else "its process is dead"


def _mapped(segment: Segment) -> tuple[bool, str]:
    found, hidden = mapped.mappers(Path(segment.path))
    if found:
        return True, f"in use by pid {', '.join(str(each.pid) for each in found)}"
    if hidden:
        return True, f"perhaps in use: {hidden} processes may not be looked into"
    return False, "nobody has it mapped"


def _carry_out(verdict: Verdict, options: Options) -> Verdict:
    if not verdict.goes or options.dry_run:
        return verdict
    try:
        Path(verdict.segment.path).unlink(missing_ok=True)
    except OSError as error:
        return Verdict(segment=verdict.segment, goes=False, why=error.strerror or str(error))
    return verdict


def _print(verdicts: list[Verdict], options: Options, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_object(verdict, options) for verdict in verdicts], indent=2))
        return
    done = "would go" if options.dry_run else "removed"
    rows = [
        (done if each.goes else "kept", each.segment.name, text.size(each.segment.taken), each.why) for each in verdicts
    ]
    for line in text.columns(rows, right=(2,)):
        print(line)
    total = sum(each.segment.taken for each in verdicts if each.goes)
    count = sum(each.goes for each in verdicts)
    print(f"{count} of {len(verdicts)} {done}, {text.size(total)}")


def _object(verdict: Verdict, options: Options) -> dict[str, Any]:
    segment = verdict.segment
    return {
        "name": segment.name,
        "path": segment.path,
        "kind": segment.kind,
        "taken": segment.taken,
        "goes": verdict.goes,
        "removed": verdict.goes and not options.dry_run,
        "why": verdict.why,
    }
