"""`feedhandler doctor`: what this host lacks for low latency, and what waiting costs here."""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

import msgspec

from feedhandler import doctor_host, doctor_measure, doctor_memory
from feedhandler.doctor_host import Finding

_MARK = {"ok": "ok     ", "lacking": "LACKING", "unknown": "unknown"}


def main(*, as_json: bool = False, seconds: float = 1.0, config: Path | None = None, out: TextIO = sys.stdout) -> int:
    """Print findings and measurements; return 0 whatever they are: a host that lacks something still works.

    With a configuration also what that one lacks here. Raises ConfigError where it cannot be used anywhere.
    """
    findings = doctor_host.examine()
    if config is not None:
        findings += doctor_memory.examine(config)
    measured = doctor_measure.measure(seconds) if seconds > 0 else {}
    if as_json:
        print(json.dumps(report(findings, measured), indent=2), file=out)
        return 0
    for finding in findings:
        print(f"{_MARK[finding.verdict]}  {finding.name:<22} {finding.value}", file=out)
        if finding.verdict == "lacking":
            print(f"{'':<9}{finding.advice}", file=out)
    if measured:
        print("\nmeasured here, Python's own share included:", file=out)
    for name, result in measured.items():
        figures = "  ".join(f"{key} {value:,}" for key, value in result.items() if key != "what")
        print(f"  {name:<22} {figures}\n  {'':<22} {result['what']}", file=out)
    lacking = sum(finding.verdict == "lacking" for finding in findings)
    print(f"\n{lacking} of {len(findings)} lacking", file=out)
    return 0


def report(findings: list[Finding], measured: dict[str, Any]) -> dict[str, Any]:
    """Return everything as one JSON-able object."""
    return {"findings": msgspec.to_builtins(findings), "measured": measured}
