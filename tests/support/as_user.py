"""Call a function as another user: a forked child that gives up root first."""

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest

LIMIT_S = 20


def need_root() -> None:
    """Skip, or in CI fail, where this process may not become other users."""
    if os.geteuid() == 0:
        return
    message = "needs root: the test becomes other users and mounts file systems"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def as_user(function: Callable[[], Any], uid: int, gid: int, groups: Sequence[int] = (), umask: int = 0o022) -> Any:
    """Return function() as that user sees it; what it raises is raised here. A crash or a hang fails the test."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        signal.alarm(LIMIT_S)
        os.umask(umask)
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        try:
            answer: tuple[bool, Any] = (True, function())
        except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
            answer = (False, error)
        with os.fdopen(write_end, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value
