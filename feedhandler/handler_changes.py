"""Changing a running handler: the control operations `add`, `remove` and `reload` (docs/contracts/control-handler.md).

Each is validated as a whole before anything is touched: it answers with what it does, or with the one reason why not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from feedhandler import config, config_rules, config_text, process
from feedhandler.clock import Clock
from feedhandler.config_source import InstrumentSpec, Source
from feedhandler.control import ControlServer, Reply, Request
from feedhandler.errors import ConfigError
from feedhandler.sources.roster import Roster

NOT_WHILE_RUNNING = "while it runs: restart the handler for it"


class Plan(Struct):
    """What a change does. Sources that are in none of it are not touched."""

    removed: list[str] = []
    added: list[Source] = []
    replaced: list[Source] = []
    more: dict[str, list[InstrumentSpec]] = {}
    fewer: dict[str, list[str]] = {}
    changed: dict[str, list[InstrumentSpec]] = {}  # which cannot be

    def sources(self) -> set[str]:
        """Return the names of those that are touched."""
        return {*self.removed, *(one.name for one in (*self.added, *self.replaced)), *self.more, *self.fewer}

    def told(self) -> Reply:
        """Return it as a reply."""
        return {
            "removed": self.removed,
            "added": [source.name for source in self.added],
            "replaced": [source.name for source in self.replaced],
            "instruments_added": {name: [spec.venue for spec in specs] for name, specs in self.more.items()},
            "instruments_removed": self.fewer,
        }


def difference(now: list[Source], then: list[Source]) -> Plan:
    """Return what makes `then` of `now`. Of a source whose instruments alone differ only those change."""
    plan = Plan()
    before, after = {one.name: one for one in now}, {one.name: one for one in then}
    plan.removed = [name for name in before if name not in after]
    plan.added = [one for one in then if one.name not in before]
    for name in before.keys() & after.keys():
        if _without_instruments(before[name]) != _without_instruments(after[name]):
            plan.replaced.append(after[name])
            continue
        had, has = before[name].instruments, after[name].instruments
        known, kept = {spec.venue: spec for spec in had}, {spec.venue for spec in has}
        if more := [spec for spec in has if spec.venue not in known]:
            plan.more[name] = more
        if fewer := [venue for venue in known if venue not in kept]:
            plan.fewer[name] = fewer
        if changed := [spec for spec in has if known.get(spec.venue, spec) != spec]:
            plan.changed[name] = changed
    return plan


def _without_instruments(source: Source) -> Source:
    return structs.replace(source, instruments=[], instruments_file="")


class Changes:
    """Serves the operations of one handler, on the thread of its loop."""

    def __init__(self, runtime: process.Runtime, section: config.Handler, roster: Roster, clock: Clock) -> None:
        self._runtime = runtime
        self._section = section
        self._roster = roster
        self._clock = clock

    def register(self, server: ControlServer) -> None:
        """Offer the operations."""
        server.register("add", self._refusing(self.add))
        server.register("remove", self._refusing(self.remove))
        server.register("reload", self._refusing(self.reload))

    @staticmethod
    def _refusing(operation: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            try:
                return operation(request)
            except ConfigError as error:
                return {"ok": False, "error": str(error)}

        return answer

    # ---- the operations ----

    def reload(self, request: Request) -> Reply:
        """Read the configuration again and become what it says, where that is possible while running."""
        fresh = config.load(self._runtime.path, check_host=False)
        found = [one for one in fresh.handler if one.name == self._section.name]
        if not found:
            raise ConfigError(self._runtime.path, "handler", "no " + self._section.name, "this handler")
        self._refuse_fixed(fresh, found[0])
        return self._do(difference(self._roster.configured(), found[0].source), request)

    def add(self, request: Request) -> Reply:
        """Add a source (`source`: its table), or instruments (`source`: a name, `instruments`: a list of tables)."""
        given = request.get("source")
        then = self._copies()
        if isinstance(given, dict):
            then.append(self._convert(given, Source))
        else:
            specs = self._convert(request.get("instruments"), list[InstrumentSpec])
            self._named(then, given).instruments.extend(specs)
        return self._do(difference(self._roster.configured(), self._checked(then)), request)

    def remove(self, request: Request) -> Reply:
        """Remove a source, or with `instruments` (venue symbols) only those of it."""
        then = self._copies()
        source = self._named(then, request.get("source"))
        if "instruments" in request:
            venues = self._convert(request["instruments"], list[str])
            known = {spec.venue for spec in source.instruments}
            if unknown := [venue for venue in venues if venue not in known]:
                raise ConfigError("remove", "instruments", config_text.show(unknown[0]), f"one of {source.name}'s")
            source.instruments = [spec for spec in source.instruments if spec.venue not in venues]
        else:
            then.remove(source)
        if not then:
            raise ConfigError("remove", "source", f"the last one, {source.name}", "a handler with a source")
        return self._do(difference(self._roster.configured(), self._checked(then)), request)

    def _copies(self) -> list[Source]:
        """Return what runs, to be changed. What stood in an instruments file stands among the instruments."""
        running = self._roster.configured()
        return [structs.replace(one, instruments=list(one.instruments), instruments_file="") for one in running]

    # ---- before anything is touched ----

    def _refuse_fixed(self, fresh: config.Config, section: config.Handler) -> None:
        """Raise one ConfigError naming every key that differs and cannot be changed."""
        running, wrong = self._runtime.config, []
        tables = [
            ("feedhandler", running.feedhandler, fresh.feedhandler),
            ("memory", running.memory, fresh.memory),
            (process.section_key(fresh, section), self._section, section),
        ]
        for key, before, after in tables:
            for name in before.__struct_fields__:
                was, becomes = getattr(before, name), getattr(after, name)
                if name != "source" and was != becomes:
                    wrong.append((f"{key}.{name}", config_text.show(becomes), config_text.show(was)))
        if wrong:
            keys, got, expected = (", ".join(part) for part in zip(*wrong, strict=True))
            raise ConfigError(self._runtime.path, keys, got, f"{expected} {NOT_WHILE_RUNNING}")

    def _checked(self, sources: list[Source]) -> list[Source]:
        """Return the sources of this handler completed and checked, as if they stood in the file."""
        whole = structs.replace(
            self._runtime.config,
            handler=[
                structs.replace(one, source=sources) if one.name == self._section.name else one
                for one in self._runtime.config.handler
            ],
        )
        config.complete_sources(sources, Path(self._runtime.path).resolve().parent)
        config_rules.take_instruments("request", whole, InstrumentSpec)
        config_rules.check("request", whole)
        return sources

    @staticmethod
    def _convert(value: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            if isinstance(value, dict):
                raise config_text.translate("request", value, kind, error) from None
            raise ConfigError(
                "request", "instruments", config_text.show(value), f"a list of instruments: {error}"
            ) from None

    @staticmethod
    def _named(sources: list[Source], name: Any) -> Source:
        for source in sources:
            if source.name == name:
                return source
        known = ", ".join(source.name for source in sources)
        raise ConfigError("request", "source", config_text.show(name), f"one of {known}")

    def _validate(self, plan: Plan) -> None:
        if self._roster.change == "under way":
            raise ConfigError("request", "op", "a second change while one is under way", "another moment")
        if busy := plan.sources() & self._roster.leaving:
            raise ConfigError("request", "source", f"{min(busy)}, which is still logging out", "another moment")
        fresh = [*plan.added, *plan.replaced]
        process.check_secrets("request", "handler", structs.replace(self._section, source=fresh))
        self._roster.check_room(source.name for source in plan.added)
        for source in fresh:
            self._roster.check(source)
        self._refuse_changed(plan)
        by_name = {source.name: source for source in self._roster.configured()}
        for name, specs in plan.more.items():
            self._roster.check_instruments(by_name[name], specs)

    def _refuse_changed(self, plan: Plan) -> None:
        by_name = {source.name: source for source in self._roster.configured()}
        for name, specs in plan.changed.items():
            self._roster.check_instruments(by_name[name], specs)
            wanted = "the same, or the instrument removed first"
            raise ConfigError(f"source {name}", specs[0].venue, "another description than the running one", wanted)

    def _do(self, plan: Plan, request: Request) -> Reply:
        self._validate(plan)
        reply = {"changes": plan.told(), "applied": not request.get("dry_run", False)}
        if not reply["applied"]:
            return reply
        by_name = {source.name: source for source in self._roster.configured()}
        wanted = [(source, source.instruments) for source in (*plan.added, *plan.replaced)]
        wanted += [(by_name[name], specs) for name, specs in plan.more.items()]
        if wanted:
            self._roster.write_down(wanted, lambda now_ns: self._apply(plan, now_ns))
        else:
            self._apply(plan, self._clock.now_ns())
        return reply

    def _apply(self, plan: Plan, now_ns: int) -> None:
        for name in plan.removed:
            self._roster.remove(name, now_ns)
        for source in plan.replaced:
            self._roster.remove(source.name, now_ns, successor=source)
        for name, venues in plan.fewer.items():
            self._roster.remove_instruments(name, venues, now_ns)
        for name, specs in plan.more.items():
            self._roster.add_instruments(name, specs)
        for source in plan.added:
            self._roster.add(source, now_ns)
        self._runtime.log.info("changed", **plan.told())
