"""The `feedhandler` command. It joins the parts and holds no logic; every part is imported when it is asked for.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
"""

# ruff: noqa: PLC0415 - imports inside commands keep `feedhandler --version` under a fraction of a second

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedhandler import __version__, get_include

if TYPE_CHECKING:
    import cyclopts

# These parse their own arguments: one parser a program, the same as `python -m`.
OWN_PARSERS = {"demo": "feedhandler.demo", "fix-echo": "feedhandler.echo", "simulate": "feedhandler.sim"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["version"]):
        print(f"feedhandler {__version__}")
        return 0
    if arguments == ["include-dir"]:  # needs no dependency, as no C++ build does
        include_dir()
        return 0
    if arguments and arguments[0] in OWN_PARSERS:
        from importlib import import_module

        return int(import_module(OWN_PARSERS[arguments[0]]).main(arguments[1:]) or 0)
    return _dispatch(arguments)


def _dispatch(arguments: list[str]) -> int:
    import cyclopts

    from feedhandler.errors import ConfigError, FeedhandlerError, UsageError
    from feedhandler.limits import EXIT_CONFIG, EXIT_FAILED

    try:
        result = _app()(arguments, exit_on_error=False, result_action="return_value")
    except cyclopts.CycloptsError:
        return EXIT_CONFIG
    except (ConfigError, UsageError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except FeedhandlerError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        # `feedhandler ring tail R | head`: the reader has seen enough. Nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _app() -> "cyclopts.App":
    import cyclopts

    from feedhandler import cli_ring

    app = cyclopts.App(name="feedhandler", version=__version__, help="Low-latency market data feed handler.")
    commands: tuple[Any, ...] = (run, check, doctor, ctl, include_dir, version)
    for command in commands:
        app.command(command)
    app.command(_shown, name="demo", help="Run the whole system against a simulated venue. See `demo --help`.")
    app.command(_shown, name="simulate", help="Run the simulated venue, a FIX 4.4 acceptor. See `simulate --help`.")
    app.command(_shown, name="fix-echo", help="Run a FIX application for conformance suites. See `fix-echo --help`.")
    groups: dict[str, dict[str, Any]] = {
        "journal": {"ls": journal_ls, "cat": journal_cat, "verify": journal_verify},
        "directory": {"upgrade": directory_upgrade},
    }
    helps = {"journal": "Look into a journal.", "directory": "Look after the instrument directory."}
    for name, parts in groups.items():
        group = cyclopts.App(name=name, help=helps[name])
        for part, function in parts.items():
            group.command(function, name=part)
        app.command(group)
    app.command(cli_ring.app())
    return app


def _shown() -> None:
    """Stand in the help; `main` has run the command itself before the help is made."""


def version() -> None:
    """Print the version."""
    print(f"feedhandler {__version__}")


def include_dir() -> None:
    """Print the include path for C++ programs: `g++ -std=c++20 -I$(feedhandler include-dir) engine.cpp`."""
    print(get_include())


def run(config: Path) -> int:
    """Start handler, conflator, bridge and recorder, keep them alive, and stop them in order on SIGTERM.

    Parameters
    ----------
    config
        The configuration, TOML.

    """
    from feedhandler import supervisor

    return supervisor.run(config)


def check(config: Path) -> int:
    """Check a configuration: a summary and exit code 0, or the one error and exit code 2.

    Parameters
    ----------
    config
        The configuration, TOML.

    """
    from feedhandler.config import load
    from feedhandler.config_summary import summary

    print(summary(config, load(config)))
    return 0


def doctor(*, config: Path | None = None, json: bool = False, seconds: float = 1.0) -> int:
    """Say what this host lacks for low latency, and measure what it costs here.

    Parameters
    ----------
    config
        Also what this configuration lacks here: room, users and groups, locked memory.
    json
        Print one JSON object instead of the table.
    seconds
        How long each measurement takes; 0 measures nothing.

    """
    from feedhandler import doctor as host

    return host.main(as_json=json, seconds=seconds, config=config)


def ctl(
    process: str,
    op: str = "status",
    *fields: str,
    config: Path | None = None,
    run_dir: Path | None = None,
    timeout: float = 5.0,
) -> int:
    """Send a control request to a running process and print its reply as JSON.

    Parameters
    ----------
    process
        A process's name (a handler's own, conflator, bridge, recorder, supervisor) or the path of its socket.
    op
        The operation: status, stop, or one of the process's own.
    fields
        KEY=VALUE of the request; a VALUE that is JSON is sent as what it means, else as text.
    config
        The configuration that names the run directory.
    run_dir
        The run directory itself, instead of a configuration.
    timeout
        Seconds to wait for the reply.

    """
    from feedhandler.ctl import request

    print(request(process, op, fields, config=config, run_dir=run_dir, timeout_s=timeout))
    return 0


def journal_ls(folder: Path, *, ring: str | None = None) -> int:
    """List the segments of a journal.

    Parameters
    ----------
    folder
        The journal's folder.
    ring
        Only this ring's.

    """
    from feedhandler.record import cli

    return cli.journal_ls(folder, ring)


def journal_verify(folder: Path) -> int:
    """Check every block of a journal; exit code 1 where it is not sound.

    Parameters
    ----------
    folder
        The journal's folder.

    """
    from feedhandler.record import cli

    return cli.journal_verify(folder)


def journal_cat(folder: Path, *, ring: str | None = None, epoch: int | None = None, first: int = 0) -> int:
    """Print a journal's records, one JSON object a line.

    Parameters
    ----------
    folder
        The journal's folder.
    ring
        Only this ring's.
    epoch
        Only this epoch's.
    first
        From this seq on.

    """
    from feedhandler.record import cli

    return cli.journal_cat(folder, ring=ring, epoch=epoch, first=first)


def directory_upgrade(path: Path) -> int:
    """Bring an instrument directory of an older layout to this release's, in place. Stop all processes before.

    Parameters
    ----------
    path
        The directory: `<state_dir>/instruments.dir`.

    """
    from feedhandler.instruments import Directory, upgrade

    before, now = upgrade(path)
    what = f"layout version {before}, now {now}" if before != now else f"layout version {now} already"
    print(f"{path}: {what}, {len(Directory(path)):,} instruments")
    return 0
