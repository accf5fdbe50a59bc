"""Debian packages that tests need and machines may lack."""

import os
import shutil
import subprocess
from collections.abc import Sequence


class CannotInstallError(RuntimeError):
    """apt is not here, refuses, or is not ours to run; says why."""


def install(packages: Sequence[str]) -> None:
    """Install packages. Raises CannotInstallError with the reason."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise CannotInstallError(f"only root can install it (Debian: apt-get install {' '.join(packages)})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [apt, "-qq", *command], check=False, env=environment, capture_output=True, text=True, timeout=600
        )
        if done.returncode != 0:
            raise CannotInstallError(f"apt-get {command[0]} failed: {done.stderr[-500:]}")
