"""`feedhandler ring ls`: every segment of a folder."""

import json
from pathlib import Path
from typing import Any

import msgspec

from feedhandler import clock
from feedhandler.ring_tool import text
from feedhandler.ring_tool.place import Place
from feedhandler.ring_tool.segments import Segment, scan

_HEADINGS = ("SEGMENT", "KIND", "STATE", "PID", "SIZE", "AGE", "WHAT")


def ls(place: Place, *, as_json: bool = False) -> int:
    """Print a line a segment, or one JSON array; rings of the configuration that have no file are MISSING."""
    segments = scan(place.shm_dir, place.directory)
    there = {segment.ring for segment in segments if segment.kind == "ring"}
    segments += [_missing(place.shm_dir, ring) for ring in place.rings if ring not in there]
    now = clock.now_ns()
    if as_json:
        print(json.dumps([as_object(segment, now) for segment in segments], indent=2))
        return 0
    if not segments:
        print(f"{place.shm_dir}: nothing here")
        return 0
    for line in text.columns([_HEADINGS, *(_row(segment, now) for segment in segments)], right=(3, 4, 5)):
        print(line)
    return 0


def as_object(segment: Segment, now_ns: int) -> dict[str, Any]:
    """Return a segment as JSON-able fields, with its age."""
    fields: dict[str, Any] = msgspec.to_builtins(segment)
    details = {key: value for key, value in fields.pop("details").items() if key not in fields and key != "name"}
    age_ns = now_ns - segment.created_ns if segment.created_ns else None
    return {**fields, "age_ns": age_ns, **details}


def _missing(shm_dir: Path, ring: str) -> Segment:
    return Segment(
        name=ring, kind="ring", ring=ring, state="MISSING", pid=0, bytes=0, taken=0, created_ns=0,
        what="in the configuration, and no file: its writer has not run", path=str(shm_dir / ring),
    )  # fmt: skip


def _row(segment: Segment, now_ns: int) -> tuple[str, ...]:
    return (
        segment.name,
        segment.kind,
        segment.state,
        str(segment.pid or "-"),
        text.size(segment.bytes),
        text.age(now_ns - segment.created_ns) if segment.created_ns else "-",
        segment.what,
    )
