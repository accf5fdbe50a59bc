"""`feedhandler ring`: the commands' options. The work is in feedhandler.ring_tool, imported when it is asked for."""

# ruff: noqa: PLC0415 - imports inside commands keep the other commands' start short

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts

if TYPE_CHECKING:
    from feedhandler.ring_tool.place import Place

Format = Literal["json", "csv", "parquet", "npy"]
Many = Annotated[tuple[str, ...], cyclopts.Parameter(negative=(), consume_multiple=False)]


@cyclopts.Parameter(name="*")
@dataclass
class Where:
    """Which system.

    Parameters
    ----------
    config
        The configuration that names the folders.
    shm_dir
        The folder of the rings itself; without both the only /dev/shm/feedhandler-* there is.
    state_dir
        The folder of the instrument directory, for the names of symbols and sources.

    """

    config: Path | None = None
    shm_dir: Path | None = None
    state_dir: Path | None = None

    def place(self, folder: Path | None = None) -> "Place":
        """Return the place; `folder` stands in for --shm-dir."""
        from feedhandler.ring_tool.place import find

        return find(config=self.config, shm_dir=self.shm_dir or folder, state_dir=self.state_dir)

    def place_of(self, ring: str) -> "Place":
        """As place(); a ring that is the path of a file lies in that file's folder."""
        return self.place(Path(ring).parent if "/" in ring else None)


@cyclopts.Parameter(name="*")
@dataclass
class Which:
    """Which records. Each may be given several times.

    Parameters
    ----------
    symbol
        Only this symbol's: as we write it, as the venue does, or #ID.
    source
        Only this source's, by name or #ID.
    kind
        Only this kind: level, trade, state, book_clear and so on.

    """

    symbol: Many = ()
    source: Many = ()
    kind: Many = ()


def ls(folder: Path | None = None, /, *, where: Where | None = None, json: bool = False) -> int:
    """List every segment: rings with their epochs, board, counters, clock, parking pages, locks.

    Parameters
    ----------
    folder
        The folder of the rings, as --shm-dir.
    where
        Which system.
    json
        Print one JSON array instead of the table.

    """
    from feedhandler.ring_tool.ls import ls as command

    return command((where or Where()).place(folder), as_json=json)


def stat(ring: str, /, *, where: Where | None = None, seconds: float = 1.0, json: bool = False) -> int:
    """Say everything about one ring: header, epochs, rate, heartbeat, notes, who has it mapped.

    Parameters
    ----------
    ring
        The ring's name, or the path of an epoch's file.
    where
        Which system.
    seconds
        How long the rate is measured; 0 does not measure.
    json
        Print one JSON object.

    """
    from feedhandler.ring_tool.stat import stat as command

    return command((where or Where()).place_of(ring), ring, seconds=seconds, as_json=json)


def tail(
    ring: str,
    /,
    *,
    where: Where | None = None,
    which: Which | None = None,
    last: int = 10,
    all: bool = False,  # noqa: A002 - the option's name
    count: int | None = None,
    follow: bool = True,
    json: bool = False,
) -> int:
    """Print the last records, then those that come, until Ctrl-C. Losses, restarts and a silent writer are told.

    Parameters
    ----------
    ring
        The ring's name.
    where
        Which system.
    which
        Which records.
    last
        Begin with so many records that the ring holds already.
    all
        Begin with all that it holds for readers: half its capacity.
    count
        End after so many records.
    follow
        Go on with what comes.
    json
        Print one JSON object a line.

    """
    from feedhandler.ring_tool.tail import tail as command

    chosen = which or Which()
    return command(
        (where or Where()).place(),
        ring,
        last=None if all else last,
        count=count,
        follow=follow,
        symbols=chosen.symbol,
        sources=chosen.source,
        kinds=chosen.kind,
        as_json=json,
    )


def dump(
    ring: str,
    /,
    *,
    where: Where | None = None,
    which: Which | None = None,
    epoch: int | None = None,
    first: int | None = None,
    last: int | None = None,
    count: int | None = None,
    format: Format | None = None,  # noqa: A002 - the option's name
    out: Path | None = None,
) -> int:
    """Write a range of one epoch: of a living writer, of a dead one, or of a file copied elsewhere.

    Parameters
    ----------
    ring
        The ring's name, or the path of an epoch's file.
    where
        Which system.
    which
        Which records.
    epoch
        The epoch; the newest where it is left out.
    first
        From this seq on; from the oldest that is still whole where it is left out.
    last
        Up to and including this seq.
    count
        Only the last so many of the range.
    format
        json (lines), csv, parquet or npy; else by the ending of --out, else json.
    out
        The file to write; stdout where it is left out.

    """
    from feedhandler.ring_tool.dump import Range
    from feedhandler.ring_tool.dump import dump as command

    chosen = which or Which()
    return command(
        (where or Where()).place_of(ring),
        ring,
        epoch=epoch,
        span=Range(first=first, last=last, count=count),
        format=format,
        out=out,
        symbols=chosen.symbol,
        sources=chosen.source,
        kinds=chosen.kind,
    )


def unlink(
    *targets: str,
    where: Where | None = None,
    all: bool = False,  # noqa: A002 - the option's name
    dry_run: bool = False,
    newest: bool = False,
    force: bool = False,
    json: bool = False,
) -> int:
    """Remove what no living writer writes: dead epochs of rings, and other segments by name.

    Parameters
    ----------
    targets
        Rings, or segments as `ring ls` names them.
    where
        Which system.
    all
        Everything that is dead.
    dry_run
        Say what would go, and remove nothing.
    newest
        Also each dead ring's newest epoch, and with it what a restarted writer takes its notes from.
    force
        Also what a living writer writes. It goes on in memory that nobody new can find.
    json
        Print one JSON array.

    """
    from feedhandler.ring_tool.unlink import Options
    from feedhandler.ring_tool.unlink import unlink as command

    options = Options(dry_run=dry_run, force=force, newest=newest)
    return command((where or Where()).place(), targets, options, everything=all, as_json=json)


def cat(shm_dir: Path, ring: str, /, *, count: int | None = None, follow: bool = False, oldest: bool = True) -> int:
    """Print a ring's records, one JSON object a line: `ring tail --json` for scripts.

    Parameters
    ----------
    shm_dir
        The folder of the rings.
    ring
        The ring's name.
    count
        Stop after so many records.
    follow
        Go on with what is published later, until Ctrl-C.
    oldest
        Begin with the oldest record still held; otherwise with the next one.

    """
    from feedhandler.ring_tool.tail import tail as command

    place = Where(shm_dir=shm_dir).place()
    return command(place, ring, last=None if oldest else 0, count=count, follow=follow, as_json=True)


def app() -> cyclopts.App:
    """Return the group of commands."""
    group = cyclopts.App(name="ring", help="Look into the shared memory, and free what is dead of it.")
    for command in (ls, stat, tail, dump, unlink, cat):
        group.command(command)
    return group
