"""File systems of a test's own: mounted for it, and gone after it. Needs root."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.as_user import need_root


@contextmanager
def mounted(kind: str, options: str) -> Iterator[Path]:
    """A fresh `kind` (tmpfs, hugetlbfs) with these mount options; everybody may pass through it."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="fh-mount-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        subprocess.run(["mount", "-t", kind, "-o", options, "none", folder], check=True)
        try:
            yield folder
        finally:
            # Lazily: a mapping that garbage collection has not freed yet must not fail the test that made it.
            subprocess.run(["umount", "--lazy", folder], check=True)
