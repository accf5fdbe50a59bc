"""Documents that must move with the code."""

import hashlib
import re
import tomllib
from itertools import pairwise

import pytest
from tree import ROOT, files, relative

import feedhandler

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PAGES = [path for path in files("*.md") if "node_modules" not in path.parts]


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", CHANGELOG, re.MULTILINE)
    assert (feedhandler.__version__, headings[0]) == (project, project)


def test_releases_descend_and_have_dates() -> None:
    headings = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (unreleased|\d{4}-\d{2}-\d{2})$", CHANGELOG, re.MULTILINE)
    assert len(headings) == len(re.findall(r"^## ", CHANGELOG, re.MULTILINE)) >= 1
    versions = [tuple(map(int, parts[:3])) for parts in headings]
    assert all(newer > older for newer, older in pairwise(versions))
    dates = [parts[3] for parts in headings]
    assert "unreleased" not in dates[1:]
    assert dates[1:] == sorted(dates[1:], reverse=True)


@pytest.mark.parametrize("name", ["layout", "board-layout"])
def test_a_layout_and_its_contract_move_together(name: str) -> None:
    header = ROOT / "shm" / f"{name.replace('-', '_')}.hpp"
    digest = hashlib.sha256(header.read_bytes()).hexdigest()
    recorded = re.findall(
        rf"^{name}-sha256: `?([0-9a-f]{{64}})", (ROOT / "shm" / "README.md").read_text(), re.MULTILINE
    )
    assert recorded == [digest], (
        f"{header.name} changed: change the contract with it, its version if bytes moved, and then its {name}-sha256"
    )


@pytest.mark.parametrize("page", files("docs/contracts/*.md"), ids=relative)
def test_every_contract_is_on_the_map(page: object) -> None:
    maps = [path for path in (ROOT / "ARCHITECTURE.md", ROOT / "README.md") if path.exists()]
    if not (ROOT / "ARCHITECTURE.md").exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    assert any(relative(page) in path.read_text() for path in maps)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_between_documents_lead_somewhere(page: object) -> None:
    text = page.read_text()  # type: ignore[attr-defined]
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    assert [t for t in targets if not (page.parent / t).exists()] == []  # type: ignore[attr-defined]


def test_every_ignored_rule_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert ignored is not None
    assert [line for line in ignored[1].splitlines() if not re.search(r'"\w+",\s+# \S', line)] == []


@pytest.mark.parametrize("unit", files("systemd/*.service"), ids=relative)
def test_every_unit_starts_a_process_there_is_and_gives_up_on_a_bad_configuration(unit: object) -> None:
    text = unit.read_text()  # type: ignore[attr-defined]
    started = re.search(r"^ExecStart=\S+ -m feedhandler\.(\w+) --config", text, re.MULTILINE)
    assert started is not None
    assert started[1] in ("handler", "conflator", "bridge", "recorder")
    assert "RestartPreventExitStatus=2\n" in text
