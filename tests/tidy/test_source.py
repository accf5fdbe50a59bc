"""Style that a reviewer should not have to look for."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from tree import ROOT, files, relative, tree_of, under

CODE = under("feedhandler", ".py")
NATIVE = [*under("shm", ".hpp"), *under("feedhandler/native", ".hpp"), *under("feedhandler/native", ".cpp")]
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50

# A ratchet: what stands here may shrink, and nothing may join without a reason.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

# Call -> what to write instead.
BANNED_CALLS = {
    "time.time": "clock.now_ns()",
    "time.time_ns": "clock.now_ns()",
    "time.monotonic": "clock.monotonic_ns()",
    "time.monotonic_ns": "clock.monotonic_ns()",
    "time.perf_counter": "clock.monotonic_ns()",
    "time.perf_counter_ns": "clock.monotonic_ns()",
    "datetime.now": "clock.now_ns()",
    "datetime.utcnow": "clock.now_ns()",
    "datetime.datetime.now": "clock.now_ns()",
}
UNBOUNDED = ("Queue", "queue.Queue", "asyncio.Queue", "queue.SimpleQueue", "SimpleQueue", "multiprocessing.Queue")
CLOCK_READERS = ("feedhandler/clock.py",)


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` of a name or attribute, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_only_clock_py_reads_a_clock(path: Path) -> None:
    if relative(path) in CLOCK_READERS:
        return
    wrong = {f"line {c.lineno}: {dotted(c.func)}": BANNED_CALLS.get(dotted(c.func)) for c in calls(path)}
    assert not {place: instead for place, instead in wrong.items() if instead}


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_queues_are_bounded(path: Path) -> None:
    wrong = [c.lineno for c in calls(path) if dotted(c.func) in UNBOUNDED and not c.args and not c.keywords]
    assert not wrong, "an unbounded queue is latency now and memory later: give it a maxsize"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_segments_are_our_own(path: Path) -> None:
    assert not re.search(r"multiprocessing(\.| import )shared_memory|SharedMemory\(", path.read_text()), (
        "its tracker unlinks segments of living processes: use shm/ by name"
    )


def swallows(handler: ast.ExceptHandler) -> bool:
    broad = handler.type is None or dotted(handler.type) in ("Exception", "BaseException")
    idle = all(
        isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)) for s in handler.body
    )
    return broad and idle


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_no_failure_is_swallowed(path: Path) -> None:
    handlers = [n.lineno for n in ast.walk(tree_of(path)) if isinstance(n, ast.ExceptHandler) and swallows(n)]
    suppressed = [
        c.lineno
        for c in calls(path)
        if dotted(c.func).split(".")[-1] == "suppress" and {dotted(a) for a in c.args} & {"Exception", "BaseException"}
    ]
    assert not handlers + suppressed, "catch what can happen, count it, and say what follows"


@pytest.mark.parametrize("path", [*CODE, *NATIVE], ids=relative)
def test_files_stay_short(path: Path) -> None:
    lines = path.read_text().count("\n")
    if relative(path) in LONG_FILES:
        assert lines > FILE_LINES_MAX, "short again: take it off the list"
    else:
        assert lines <= FILE_LINES_MAX, f"{lines} lines: split it by noun"


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines without its docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_functions_stay_short(path: Path) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {
        f"{relative(path)}:{n.name}": function_lines(n) for n in ast.walk(tree_of(path)) if isinstance(n, functions)
    }
    long = {name: lines for name, lines in found.items() if lines > FUNCTION_LINES_MAX}
    assert set(long) == {name for name in LONG_FUNCTIONS if name.startswith(f"{relative(path)}:")}, long


def test_every_sync_tag_has_its_partner() -> None:
    tags = Counter(tag for path in NATIVE for tag in re.findall(r"\bSYNC ([a-z_]+\.[a-z_]+)", path.read_text()))
    assert tags, "the ring has atomics, so it has tags"
    assert [tag for tag, count in tags.items() if count < 2] == []


def test_every_acquire_and_release_is_tagged() -> None:
    # An ordering nobody paired is an ordering nobody understands: the tag stands on its line or on the two around it.
    wrong = []
    for path in NATIVE:
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            ordered = re.search(r"memory_order_(acquire|release|acq_rel|seq_cst)", line)
            if ordered and "SYNC " not in "".join(lines[max(0, i - 2) : i + 3]):
                wrong.append(f"{relative(path)}:{i + 1}")
    assert wrong == []


def test_cmd_holds_plain_executables() -> None:
    programs = files("cmd/*")
    assert programs
    assert [relative(p) for p in programs if p.suffix or p.name == "__init__.py"] == []
    assert [relative(p) for p in programs if not p.stat().st_mode & 0o100] == []
    assert [relative(p) for p in programs if not p.read_bytes().startswith(b"#!")] == []
    assert (ROOT / "cmd" / "__init__.py").exists() is False, "a package named cmd shadows the standard library's"
