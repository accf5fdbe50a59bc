"""What the tidy tests look at: the files under version control, and their syntax trees."""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Return every file that git knows, or would add; all files where this is no clone (an unpacked sdist)."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = answer.stdout.splitlines()
    paths = [ROOT / name for name in names] if answer.returncode == 0 else [p for p in ROOT.rglob("*") if p.is_file()]
    return tuple(sorted(path for path in set(paths) if path.is_file()))


def files(*patterns: str) -> list[Path]:
    """Return the tracked files that match any of the glob patterns, relative to the root."""
    return [path for path in tracked() if any(path.relative_to(ROOT).match(pattern) for pattern in patterns)]


def under(folder: str, suffix: str) -> list[Path]:
    """Return the tracked files with a suffix under a folder."""
    return [path for path in tracked() if path.is_relative_to(ROOT / folder) and path.suffix == suffix]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything a file imports, wherever in the file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def relative(path: Path) -> str:
    """Return a path as it is written in messages."""
    return path.relative_to(ROOT).as_posix()
