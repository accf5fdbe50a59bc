"""shm/ as a C++ engine gets it: every header by itself, by include path alone, without a warning."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADERS = sorted(path.name for path in (ROOT / "shm").glob("*.hpp"))
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic"]
COMPILERS = [found for found in (shutil.which(name) for name in ("g++", "clang++")) if found]
CLANG_TIDY = Path(sys.executable).with_name("clang-tidy")
# Of the C++ standard library, POSIX and Linux: nothing else may be needed.
SYSTEM = re.compile(r"[a-z_]+|(sys|linux)/[a-z_]+\.h|(fcntl|unistd|poll|errno|signal|pthread|sched|time)\.h")


def program(folder: Path, *headers: str) -> Path:
    """Write a program that includes headers, twice, and does nothing."""
    path = folder / "program.cpp"
    lines = [f'#include "shm/{header}"\n' for header in headers]
    path.write_text("".join([*lines, *lines, "int main() {}\n"]))
    return path


def run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_compiler() -> None:
    assert COMPILERS
    assert CLANG_TIDY.exists(), "run `make build`"


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone(header: str, tmp_path: Path) -> None:
    # One compiler is enough to find what a header forgot to include; all of them see all headers below.
    run(COMPILERS[0], "-std=c++20", *WARNINGS, "-Werror", "-I", ROOT, "-fsyntax-only", program(tmp_path, header))


@pytest.mark.parametrize("standard", ["c++20", "c++23"])
def test_all_of_them_together_in_one_program(standard: str, tmp_path: Path) -> None:
    path = program(tmp_path, *HEADERS)
    for compiler in COMPILERS:
        run(compiler, f"-std={standard}", "-O2", *WARNINGS, "-Werror", "-I", ROOT, "-o", tmp_path / "program", path)
        run(tmp_path / "program")


def test_clang_warns_of_nothing_either(tmp_path: Path) -> None:
    # clang-tidy is Clang's front end: with these checks it is its compiler warnings and no more.
    checks = "-*,clang-diagnostic-*,misc-definitions-in-headers"
    flags = ["-std=c++20", *WARNINGS, "-I", ROOT]
    path = program(tmp_path, *HEADERS)
    run(CLANG_TIDY, "--quiet", f"--checks={checks}", "--warnings-as-errors=*", "--header-filter=.*", path, "--", *flags)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_includes_its_neighbours_and_the_system_only(header: str) -> None:
    text = (ROOT / "shm" / header).read_text()
    assert [name for name in re.findall(r"#include <([^>]+)>", text) if not SYSTEM.fullmatch(name)] == []
    quoted = re.findall(r'#include "([^"]+)"', text)
    assert [name for name in quoted if not re.fullmatch(r"shm/[a-z_]+\.hpp", name)] == []
    assert [name for name in quoted if not (ROOT / name).exists()] == []


def test_the_lines_in_the_contract_compile(tmp_path: Path) -> None:
    blocks = re.findall(r"^```cpp\n(.*?)^```", (ROOT / "shm" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    given = (
        "inline volatile bool running;\nvoid forget_books();\nvoid tell(fh::Attach);\nvoid react(const fh::Record&);\n"
    )
    functions = "".join(f"void block{i}();\nvoid block{i}() {{\n{block}}}\n" for i, block in enumerate(blocks))
    path = tmp_path / "lines.cpp"
    path.write_text(f'#include "shm/feedhandler.hpp"\n{given}{functions}')
    for compiler in COMPILERS:
        run(compiler, "-std=c++20", *WARNINGS, "-Werror", "-I", ROOT, "-fsyntax-only", path)


def test_the_umbrella_has_all_that_reads() -> None:
    def reach(name: str) -> set[str]:
        found = set(re.findall(r'#include "shm/([^"]+)"', (ROOT / "shm" / name).read_text()))
        return found.union(*(reach(each) for each in found))

    assert "shm/ring_writer.hpp" not in reach("feedhandler.hpp")
    readers = {name for name in HEADERS if "reader" in name or "follower" in name}
    assert readers <= reach("feedhandler.hpp")
