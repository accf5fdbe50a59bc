"""What `feedhandler check` says about a good configuration."""

from datetime import time
from pathlib import Path

from feedhandler import config_rules, scheduling
from feedhandler.config import Config, Handler, Hours, Scheduling, Source
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
            lines += [f"    source   {_source(source)}" for source in section.source]
    return "\n".join(lines + [f"  note       {note}" for note in notes(config)])


def _source(source: Source) -> str:
    """Return one line on a source: nothing of its secrets, not even where they are."""
    where = ", then ".join(map(str, source.addresses()))
    facts = [f"at {where}", f"{len(source.instruments)} instruments"]
    if source.tls is not None:
        facts.append(f"TLS {source.tls.min_version} to {source.tls.max_version}")
    if (hours := source.schedule) is not None:
        start, end = (f"{day or ''} {at:%H:%M:%S}".strip() for day, at in _edges(hours))
        facts.append(f"from {start} to {end} {hours.zone}")
    return f"{source.name}: {source.profile} {source.sender} -> {source.target} " + ", ".join(facts)


def _edges(hours: Hours) -> tuple[tuple[str | None, time], tuple[str | None, time]]:
    return (hours.start_day, hours.start), (hours.end_day, hours.end)


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
