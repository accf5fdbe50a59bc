"""Every byte that is stored: fields, offsets and sizes of the structs in the headers, and the values of enums, as compiled.

The names come from the headers' text, the numbers from the compiler. A line in a struct that is not understood is an
error, so nothing can be added unseen.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COMPILE_S = 60


class Kind(NamedTuple):
    """What one kind of segment stores: `version` is an expression of C++, as are the constants."""

    version: str
    headers: tuple[str, ...]
    structs: tuple[str, ...]
    enums: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()


KINDS = {
    "ring": Kind(
        "LAYOUT_VERSION", ("shm/layout.hpp",), ("Record", "Note", "RingHeader"),
        ("Kind", "Side", "Action", "State", "flag"), ("RING_MAGIC", "RECORDS_OFFSET", "NOTE_SESSIONS"),
    ),
    "wait": Kind("LAYOUT_VERSION", ("shm/layout.hpp",), ("WaitPage",), (), ("WAIT_MAGIC", "WAIT_BYTES")),
    "board": Kind(
        "BOARD_VERSION", ("shm/board_layout.hpp", "shm/layout.hpp"), ("BoardHeader", "BoardTop", "BoardRow"),
        ("Side", "State"),
        ("BOARD_MAGIC", "BOARD_LOG_OFFSET", "board_row_bytes(1)", "board_row_bytes(10)", "board_bytes(10, 100, 1024)"),
    ),
    "directory": Kind(
        "DIRECTORY_VERSION", ("shm/directory_layout.hpp",), ("DirectoryHeader", "DirectoryEntry"), ("Keying",),
        ("DIRECTORY_MAGIC", "DIRECTORY_CAPACITY", "SOURCE_CAPACITY", "DIRECTORY_BYTES"),
    ),
    "counters": Kind(
        "COUNTERS_VERSION", ("shm/counters.hpp",), ("CountersHeader", "CounterName"), (),
        ("COUNT_MAGIC", "COUNTER_SLOTS", "counter_cells(7)", "counters_bytes(7)"),
    ),
    "clock": Kind("CLOCK_MAGIC >> 56 & 15", ("shm/layout.hpp",), ("ClockPage",), (), ("CLOCK_MAGIC",)),
    "checkpoint": Kind(
        "CHECKPOINT_MAGIC >> 56 & 15",
        ("feedhandler/native/conflate_checkpoint.hpp", "feedhandler/native/conflate_state.hpp",
         "feedhandler/native/session.hpp"),
        ("CheckpointRing", "CheckpointBook", "Position", "Bbo", "Stamp", "Session"), (), ("CHECKPOINT_MAGIC",),
    ),
}  # fmt: skip

_FIELD = re.compile(r"(?:alignas\(\w+\)\s+)?[\w:<>, ]+?\s+(\w+(?:\s*,\s*\w+)*)\s*((?:\[\w+\])*)(?:\s*=.*|\s*\{.*\})?")
_METHOD = re.compile(r"(\[\[nodiscard\]\]|friend |static |bool |constexpr )")


class UnreadableLineError(Exception):
    """A line of a stored struct or enum that this parser does not know: teach it, so that nothing is added unseen."""


def _body(text: str, opening: str) -> str:
    found = re.search(opening + r"[^{;]*\{", text)
    if found is None:
        raise UnreadableLineError(f"no {opening}")
    depth, at = 1, found.end()
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[found.end() : at - 1]


def _plain(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def fields(text: str, struct: str) -> list[str]:
    """Return the names of a struct's fields, in order; methods are none."""
    body = _body(_plain(text), rf"\bstruct (?:alignas\(\w+\) )?{struct}\b")
    while "{" in body:  # bodies of methods, and initializers
        body = re.sub(r"\{[^{}]*\}", ";", body)
    names: list[str] = []
    for statement in (part.strip() for part in body.split(";")):
        if not statement or "(" in re.sub(r"alignas\(\w+\)", "", statement) or _METHOD.match(statement):
            continue
        found = _FIELD.fullmatch(statement)
        if found is None or "," in statement.partition("=")[2]:  # one name a line, where it begins as something
            raise UnreadableLineError(f"{struct}: {statement}")
        names += re.split(r"\s*,\s*", found[1])
    return names


def codes(text: str, enum: str) -> list[str]:
    """Return the names of an enumeration, or of the constants of a namespace."""
    if enum == "flag":
        return re.findall(r"\b(\w+) =", _body(_plain(text), r"\bnamespace flag"))
    return [
        part.split("=")[0].strip() for part in _body(_plain(text), rf"\benum class {enum}\b").split(",") if part.strip()
    ]


def _program(kind: Kind, root: Path) -> str:
    text = "\n".join((root / header).read_text() for header in kind.headers)
    lines = [f'number("version", static_cast<unsigned long long>({kind.version}));']
    for struct in kind.structs:
        lines.append(f'number("{struct}", sizeof({struct}));')
        lines += [
            f'field("{struct}.{name}", offsetof({struct}, {name}), sizeof({struct}::{name}));'
            for name in fields(text, struct)
        ]
    for enum in kind.enums:
        lines += [
            f'number("{enum}::{code}", static_cast<unsigned long long>({enum}::{code}));' for code in codes(text, enum)
        ]
    lines += [f'number("{name}", static_cast<unsigned long long>({name}));' for name in kind.constants]
    includes = "\n".join(f'#include "{header}"' for header in kind.headers)
    calls = "\n    ".join(lines)
    return f"""#include <cstddef>
#include <cstdio>
{includes}
using namespace fh;
static void number(const char* name, unsigned long long value) {{ std::printf("\\"%s\\": %llu,\\n", name, value); }}
static void field(const char* name, std::size_t at, std::size_t bytes) {{
    std::printf("\\"%s\\": [%zu, %zu],\\n", name, at, bytes);
}}
int main() {{
    std::printf("{{");
    {calls}
    std::printf("\\"\\": 0}}");
}}
"""


def layout(name: str, folder: Path, root: Path = ROOT) -> dict[str, Any]:
    """Return {name: [offset, size] or number} of a kind as `root`'s headers have it; `folder` is for the compiler."""
    source, program = folder / f"{name}.cpp", folder / name
    source.write_text(_program(KINDS[name], root))
    compiler = os.environ.get("CXX", "c++")
    command = [compiler, "-std=c++20", "-Wno-invalid-offsetof", f"-I{root}", "-o", program, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_S)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    shown = subprocess.run([program], capture_output=True, text=True, check=True, timeout=COMPILE_S)
    found: dict[str, Any] = json.loads(shown.stdout)
    del found[""]
    return found
