"""What `feedhandler check` says about a good configuration."""

from pathlib import Path

from feedhandler import config_rules, scheduling
from feedhandler.config import Config, Handler, Scheduling
from feedhandler.limits import RECORD_BYTES


def summary(file: str | Path, config: Config) -> str:
    """Return a few lines: processes, sources, rings, folders, and what this host will do differently."""
    general = config.feedhandler
    lines = [f"{file}: good", f"  name       {general.name}"]
    lines += [f"  {kind:<10} {path}" for kind, path in _folders(config)]
    for name, _, section in config_rules.schedules(config):
        lines.append(f"  process    {name}: {_schedule(section)}")
        if isinstance(section, Handler):
            mib = section.ring_capacity * RECORD_BYTES / 2**20
            lines.append(f"    ring     {section.ring_capacity} records, {mib:g} MiB")
            lines += [
                f"    source   {s.name}: {s.profile} {s.sender} -> {s.target} at {s.host}:{s.port}, "
                f"{len(s.instruments)} instruments"
                for s in section.source
            ]
    return "\n".join(lines + [f"  note       {note}" for note in notes(config)])


def notes(config: Config) -> list[str]:
    """Return what this host cannot give this configuration; the processes run without it."""
    cores = scheduling.usable_cores()
    result = []
    for name, _, section in config_rules.schedules(config):
        if section.core is not None and section.core not in cores:
            result.append(f"{name} is not pinned: core {section.core} is none of {cores}")
        _, why = scheduling.wait_policy(config, section.wait)
        if why and why not in result:
            result.append(why)
    return result


def _folders(config: Config) -> list[tuple[str, str]]:
    general, recorder = config.feedhandler, config.recorder
    folders = [("shm", general.shm_dir), ("state", general.state_dir), ("run", general.run_dir)]
    folders.append(("journal", recorder.journal_dir))
    return folders + ([("parquet", recorder.parquet.dir)] if recorder.parquet else [])


def _schedule(section: Scheduling) -> str:
    core = "any core" if section.core is None else f"core {section.core}"
    priority = "" if section.priority is None else f", priority {section.priority}"
    slice_us = "" if section.slice_us is None else f", slice {section.slice_us} us"
    realtime = "" if section.realtime is None else f", realtime {section.realtime}"
    return f"{core}{priority}{realtime}{slice_us}, wait {section.wait}"
