"""Races and their outcomes by name: which are allowed, which never, and how often each was seen."""

from collections import Counter
from collections.abc import Mapping


class Race:
    """One race: {outcome: what it means}, allowed and forbidden. An outcome without a name here is an error."""

    def __init__(self, name: str, allowed: Mapping[str, str], forbidden: Mapping[str, str]) -> None:
        self.name, self.allowed, self.forbidden = name, dict(allowed), dict(forbidden)
        assert not set(allowed) & set(forbidden)
        self.seen: Counter[str] = Counter()

    def saw(self, outcome: str, n: int = 1) -> None:
        """Count an outcome."""
        assert outcome in self.allowed or outcome in self.forbidden, f"{self.name}: no outcome is called {outcome}"
        self.seen[outcome] += n

    def table(self) -> str:
        """Return all outcomes with their counts and what they mean, a line each."""
        lines = [self.name]
        for verdict, outcomes in (("allowed", self.allowed), ("FORBIDDEN", self.forbidden)):
            lines += [f"  {self.seen[name]:>12,} {verdict:9} {name}: {text}" for name, text in outcomes.items()]
        return "\n".join(lines)

    def counts(self) -> str:
        """Return the counts of all outcomes, in two lines."""
        seen = ", ".join(f"{name} {self.seen[name]:,}" for name in self.allowed)
        never = ", ".join(f"{name} {self.seen[name]:,}" for name in self.forbidden)
        return f"{self.name}\n  allowed: {seen}\n  forbidden: {never}"

    def judge(self, *must: str) -> str:
        """Assert that nothing forbidden was seen, and that the `must` outcomes were; return the counts."""
        assert {name: self.seen[name] for name in self.forbidden if self.seen[name]} == {}, self.table()
        assert [name for name in must if not self.seen[name]] == [], f"never seen, so never tried:\n{self.table()}"
        return self.counts()
