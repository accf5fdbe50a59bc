"""Models and code name the same memory orders: an order that is new, gone or weaker in shm/ is looked at here first."""

import re
from pathlib import Path
from typing import NamedTuple

MODELS = Path(__file__).parent
HEADERS = MODELS.parents[1] / "shm"


class Order(NamedTuple):
    """A tag's order in one header, as both sides name it."""

    tag: str
    kind: str
    header: str


def in_text(header: str, text: str) -> set[Order]:
    """Return the orders of C++ code. The tag is on the line itself, or on the one before or after it."""
    lines = ["", *text.splitlines(), ""]
    found = set()
    for i, line in enumerate(lines):
        strong = re.search(r"memory_order_(acquire|release|acq_rel|seq_cst)", line)
        if strong is None:
            continue
        tags = [re.search(r"SYNC ([a-z_]+\.[a-z_]+)", near) for near in (line, lines[i - 1], lines[i + 1])]
        tag = next((match[1] for match in tags if match), "untagged")
        fence = "atomic_thread_fence(" in lines[i - 1] + line
        what = "fence" if fence else {"acquire": "load", "release": "store"}.get(strong[1], "operation")
        found.add(Order(tag, f"{strong[1]} {what}", header))
    return found


def in_models() -> set[Order]:
    """Return the orders that the models' comments name."""
    pattern = re.compile(r"SYNC ([a-z_]+\.[a-z_]+): ([a-z_]+ [a-z]+) in ([a-z_]+\.hpp(?:, [a-z_]+\.hpp)*)")
    texts = [path.read_text() for path in MODELS.glob("*.pml")]
    assert sum(len(re.findall("SYNC", text)) for text in texts) == sum(len(pattern.findall(text)) for text in texts)
    found = [match for text in texts for match in pattern.findall(text)]
    return {Order(tag, kind, header) for tag, kind, headers in found for header in headers.split(", ")}


def not_modelled() -> set[str]:
    """Return the tags that the README gives a reason for."""
    section = (MODELS / "README.md").read_text().split("| tag | why not |\n|---|---|\n")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `([a-z_.]+)` \| \S", section, re.MULTILINE))


def in_code() -> set[Order]:
    """Return the orders of all headers."""
    return set().union(*(in_text(path.name, path.read_text()) for path in HEADERS.glob("*.hpp")))


def test_the_models_stand_for_the_orders_of_the_code() -> None:
    assert {order for order in in_code() if order.tag not in not_modelled()} == in_models()


def test_what_no_model_stands_for_is_in_the_code() -> None:
    assert not_modelled() <= {order.tag for order in in_code()}
    assert not_modelled() & {order.tag for order in in_models()} == set()


def test_a_fence_that_goes_is_missed() -> None:
    text = (HEADERS / "ring_writer.hpp").read_text()
    fence = Order("ring.claim", "release fence", "ring_writer.hpp")
    weaker = re.sub(r"std::memory_order_release\);  // SYNC ring.claim", "std::memory_order_relaxed);  //", text)
    assert in_text("ring_writer.hpp", text) - in_text("ring_writer.hpp", weaker) == {fence}


def test_an_order_without_a_tag_is_seen() -> None:
    text = "auto n = load(word, std::memory_order_acquire);\n"
    assert in_text("new.hpp", text) == {Order("untagged", "acquire load", "new.hpp")}
