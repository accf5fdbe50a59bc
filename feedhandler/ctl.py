"""`feedhandler ctl`: one control request from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedhandler import control
from feedhandler.errors import ControlError


def request(
    process: str,
    op: str,
    fields: Sequence[str],
    *,
    config: Path | None = None,
    run_dir: Path | None = None,
    timeout_s: float = 5.0,
) -> str:
    """Return the reply as JSON text. Raises ControlError, and ConfigError for a bad configuration."""
    reply = control.call(_path(process, config, run_dir), op, timeout_s, **dict(map(_field, fields)))
    return json.dumps(reply, indent=2, default=str)


def _path(process: str, config: Path | None, run_dir: Path | None) -> str:
    if "/" in process:
        return process
    if run_dir is None:
        if config is None:
            raise ControlError(f"where does {process!r} run? give --config FILE, --run-dir DIR or its socket's path")
        from feedhandler.config import load  # noqa: PLC0415 - not needed with a path

        run_dir = Path(load(config, check_host=False).feedhandler.run_dir)
    path = run_dir / f"{process}.ctl"
    if not path.exists():
        running = ", ".join(sorted(p.stem for p in run_dir.glob("*.ctl"))) or "nothing"
        raise ControlError(f"{process!r} does not run in {run_dir}; there runs: {running}")
    return str(path)


def _field(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ControlError(f"{text!r} is no KEY=VALUE")
    if key in ("op", "path", "timeout_s"):
        raise ControlError(f"{key!r} is no field of a request")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
