"""`feedhandler ring stat`: everything about one ring."""

import json
import time
from pathlib import Path
from typing import Any

from feedhandler import _native, clock
from feedhandler.ring import STALL_NS, Attach
from feedhandler.ring_tool import mapped, text
from feedhandler.ring_tool.files import chosen, open_file, ring_files
from feedhandler.ring_tool.place import Place
from feedhandler.ring_tool.segments import look


def stat(place: Place, ring: str, *, seconds: float = 1.0, as_json: bool = False) -> int:
    """Print header, epochs, rate over `seconds`, heartbeat, notes and who maps the newest epoch.

    Raises FeedhandlerError where there is no such ring, or its newest epoch is none of this version.
    """
    facts = examine(place, ring, seconds)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for line in _lines(facts):
            print(line)
    return 0


def examine(place: Place, ring: str, seconds: float) -> dict[str, Any]:
    """Return all facts as one JSON-able object."""
    path = chosen(place, ring, None)
    file = open_file(path)
    header: dict[str, Any] = file.header()
    folder, name = path.parent, header["name"]
    rate = measure(file, seconds)
    published, heartbeat_ns = file.published, file.heartbeat_ns
    now = clock.monotonic_ns()
    state = file.state(now, STALL_NS)
    found = mapped.mappers(path)
    return {
        "ring": name,
        "path": str(path),
        "state": state.name,
        **header,
        "age_ns": clock.now_ns() - header["created_ns"],
        "writer_command": "" if state == Attach.WRITER_DEAD else mapped.command(header["writer_pid"]),
        "bytes": path.stat().st_size,
        "published": published,
        "claimed": file.claimed,
        "oldest": file.oldest,
        "heartbeat_age_ns": now - heartbeat_ns,
        "rate": rate,
        "wait_page": wait_page(folder / f"{name}.wait"),
        "epochs": [_epoch(each) for each in ring_files(folder, name)],
        "notes": notes(file, published),
        "mapped_by": [mapper._asdict() for mapper in found.found],
        "mapped_by_hidden": found.hidden,
    }


def measure(file: Any, seconds: float) -> dict[str, float] | None:
    """Return what was published within `seconds`, None where nothing was measured."""
    if seconds <= 0:
        return None
    before_ns, before = clock.monotonic_ns(), file.published
    time.sleep(seconds)
    elapsed_s = (clock.monotonic_ns() - before_ns) / 1e9
    records = file.published - before
    return {"seconds": round(elapsed_s, 6), "records": records, "records_per_s": round(records / elapsed_s, 1)}


def notes(file: Any, published: int) -> list[dict[str, int]]:
    """Return for each session the note that counts: the one with the greatest cursor that is published."""
    best: dict[int, tuple[int, int]] = {}
    for session, cursor, value in file.notes():
        if cursor <= published:
            best[session] = max(best.get(session, (-1, 0)), (cursor, value))
    return [{"session": session, "value": value, "cursor": cursor} for session, (cursor, value) in sorted(best.items())]


def wait_page(path: Path) -> dict[str, int] | None:
    """Return the words of a parking page: wake-ups so far, whether somebody sleeps, the newest epoch it knows."""
    words: Any = _native.wait_page(str(path)) if path.exists() else None
    return None if words is None else dict(zip(("wake", "parked", "epoch_hint"), words, strict=True))


def _epoch(path: Path) -> dict[str, Any]:
    segment = look(path)
    if segment is None:
        return {"path": str(path), "state": "MISSING"}
    names = ("epoch", "state", "pid", "bytes", "created_ns")
    facts = {name: getattr(segment, name) for name in names}
    return {**facts, **{name: segment.details.get(name) for name in ("oldest", "published")}}


def _lines(facts: dict[str, Any]) -> list[str]:
    rate, page = facts["rate"], facts["wait_page"]
    rows = [
        ("ring", f"{facts['ring']}, {facts['path']}"),
        ("state", f"{facts['state']}, heartbeat {text.age(facts['heartbeat_age_ns'])} ago"),
        ("writer", f"pid {facts['writer_pid']}  {facts['writer_command'] or '(gone)'}"),
        ("epoch", f"{facts['epoch']}, made {text.time_of(facts['created_ns'])}, {text.age(facts['age_ns'])} ago"),
        ("", _before(facts)),
        ("capacity", f"{facts['capacity']:,} records, {text.size(facts['bytes'])}, layout version {facts['version']}"),
        ("published", f"{facts['published']:,}, whole from {facts['oldest']:,} on"),
        ("rate", f"{rate['records_per_s']:,} records/s over {rate['seconds']:.2f} s" if rate else "not measured"),
        ("waiting", f"parked {page['parked']}, woken {page['wake']:,} times" if page else "no parking page"),
    ]  # fmt: skip
    lines = [f"{name:<10} {value}" for name, value in rows]
    return [*lines, *_epoch_lines(facts), *_note_lines(facts), *_mapper_lines(facts)]


def _before(facts: dict[str, Any]) -> str:
    if not facts["previous_epoch"]:
        return "the first one that its writer knew of"
    return f"after {facts['previous_epoch']}, which ended at {facts['previous_last']:,}"


def _epoch_lines(facts: dict[str, Any]) -> list[str]:
    held = facts["epochs"]
    rows = [("EPOCH", "STATE", "PID", "PUBLISHED", "WHOLE FROM", "SIZE", "MADE")]
    for each in held:
        numbers = [f"{each[name]:,}" if each.get(name) is not None else "-" for name in ("published", "oldest")]
        made = text.time_of(each["created_ns"])
        rows.append((str(each["epoch"]), each["state"], str(each["pid"]), *numbers, text.size(each["bytes"]), made))
    return ["", f"epochs held: {len(held)}", *text.columns(rows, right=(2, 3, 4, 5))]


def _note_lines(facts: dict[str, Any]) -> list[str]:
    if not facts["notes"]:
        return ["", "no notes"]
    rows = [("SESSION", "VALUE", "AT SEQ")]
    rows += [(str(note["session"]), f"{note['value']:,}", f"{note['cursor']:,}") for note in facts["notes"]]
    return ["", "notes", *text.columns(rows, right=(0, 1))]


def _mapper_lines(facts: dict[str, Any]) -> list[str]:
    rows = [
        (str(each["pid"]), each["user"], "read-write" if each["writes"] else "read-only", each["command"])
        for each in facts["mapped_by"]
    ]
    lines = ["", f"other processes that map it: {len(rows)}"]
    if rows:
        lines += text.columns([("PID", "USER", "MAP", "COMMAND"), *rows], right=(0,))
    if hidden := facts["mapped_by_hidden"]:
        lines.append(f"{hidden} processes may not be looked into")
    return lines
