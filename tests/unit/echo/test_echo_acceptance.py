"""Whole conversations with the echo, line by line (acceptor.txt), in three versions of FIX."""

import re
import sys
from pathlib import Path

import pytest

from feedhandler.echo.engine import Engine
from feedhandler.echo.settings import peers
from feedhandler.echo.store import LateStore
from feedhandler.wire.fix_message import checksum
from feedhandler.wire.fix_store import MemoryStore
from feedhandler.wire.fix_time import format_timestamp

T0 = 1_795_258_721_000_000_000
SECOND = 1_000_000_000
QUICKFIX = Path(sys.prefix) / "share/quickfix"  # the wheel brings the dictionaries
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
ORDER = "11=ID|21=3|40=1|54=1|55=INTC|60=NOW"
YOUNG = 11  # FIX 4.2 has no session reject reasons above


def scripts() -> list[tuple[str, list[str], tuple[str, ...]]]:
    text = (Path(__file__).parent / "acceptor.txt").read_text()
    found = []
    for part in text.split("\n== ")[1:]:
        title, *lines = part.splitlines()
        only = re.search(r" \[(.*)\]$", title)
        found.append((title, [line for line in lines if line], (only[1],) if only else VERSIONS))
    return found


CASES = [
    pytest.param(lines, version, id=f"{title}-{version}")
    for title, lines, versions in scripts()
    for version in versions
]


@pytest.fixture(scope="module")
def engines():
    if not QUICKFIX.exists():
        pytest.skip("quickfix-ssl has a wheel for Python 3.11 only")
    common = {"SenderCompID": "ISLD", "TargetCompID": "TW", "ResetOnLogon": "Y"}
    found = peers("test", [
        common | {"BeginString": "FIX.4.2", "DataDictionary": f"{QUICKFIX}/FIX42.xml"},
        common | {"BeginString": "FIX.4.4", "DataDictionary": f"{QUICKFIX}/FIX44.xml"},
        common | {
            "BeginString": "FIXT.1.1", "TransportDataDictionary": f"{QUICKFIX}/FIXT11.xml",
            "AppDataDictionary": f"{QUICKFIX}/FIX50SP2.xml",
        },
    ])  # fmt: skip
    return lambda: Engine(found, lambda _: LateStore(MemoryStore()), lambda _: None)


class Conversation:
    """Connections to one engine, with a clock that moves only while nothing else happens."""

    def __init__(self, engine: Engine, version: str):
        self.engine = engine
        self.version = version
        self.now_ns = T0
        self.lines = {}
        self.unread = {}

    def say(self, line: str) -> None:
        found = re.match(r"(\d) (.*)", line)
        number, line = (int(found[1]), found[2]) if found else (1, line)
        command, _, text = line.partition(" ")
        text = self.written(text)
        match command:
            case "connect":
                self.lines[number], self.unread[number] = self.engine.accepted(self.now_ns), b""
            case ">":
                self.engine.received(self.lines[number], self.framed(text), self.now_ns)
            case "raw":
                self.engine.received(self.lines[number], text.replace("|", "\x01").encode(), self.now_ns)
            case "<":
                assert self.read(number) == f"8={self.version}|{text}"
            case "closed":
                assert self.read(number) is None
                self.engine.lost(self.lines[number], self.now_ns)
            case _:
                raise AssertionError(line)

    def written(self, text: str) -> str:
        text = text.replace("HEAD", "49=TW|52=NOW|56=ISLD").replace("US", "49=ISLD|52=TIME|56=TW")
        text = text.replace("ORDER", ORDER).replace("ECHOED", ORDER.replace("NOW", "TIME"))
        text = text.replace("APPL", "|1137=9" if self.version == "FIXT.1.1" else "")
        return re.sub(
            r"\{(\d+)\}", lambda m: "" if self.version == "FIX.4.2" and int(m[1]) > YOUNG else f"|373={m[1]}", text
        )

    def framed(self, text: str) -> bytes:
        def stamp(found: re.Match) -> str:
            return format_timestamp(self.now_ns + int(found[1] or 0) * SECOND, "s").decode()

        begin = self.version
        if text.startswith("8="):
            begin, _, text = text[2:].partition("|")
        text = re.sub(r"NOW([+-]\d+)?", stamp, text)
        text, _, given = text.partition("|10=")
        body = (text + "|").replace("|", "\x01").encode()
        head = f"8={begin}\x01".encode() + (b"" if text.startswith("9=") else b"9=%d\x01" % len(body))
        return head + body + b"10=%s\x01" % (given.encode() or b"%03d" % checksum(head + body))

    def read(self, number: int) -> str | None:
        """The next message, 9 and 10 checked and cut off; None at the end of the connection."""
        line = self.lines[number]
        for _ in range(400):
            self.unread[number] += bytes(line.output)
            line.output.clear()
            end = self.unread[number].find(b"\x0110=")
            if end >= 0:
                raw, self.unread[number] = self.unread[number][: end + 8], self.unread[number][end + 8 :]
                return self.plain(raw)
            if line.closing:
                return None
            self.now_ns += SECOND // 10
            self.engine.poll(self.now_ns)
        raise AssertionError("nothing comes")

    @staticmethod
    def plain(raw: bytes) -> str:
        begin, length, *fields, total = raw.decode().rstrip("\x01").split("\x01")
        body = raw[len(begin) + len(length) + 2 : raw.index(b"\x0110=") + 1]
        assert (length, total) == (f"9={len(body)}", f"10={checksum(raw[: raw.index(b'10=' + total[3:].encode())]):03}")
        stamp = r"=\d{8}-\d\d:\d\d:\d\d"
        fields = [re.sub(rf"^(52|122){stamp}\.\d{{3}}$", r"\1=TIME", field) for field in fields]
        return "|".join([begin, *(re.sub(rf"^(60){stamp}$", r"\1=TIME", field) for field in fields)])


@pytest.mark.parametrize(("lines", "version"), CASES)
def test_conversation(engines, lines, version):
    it = Conversation(engines(), version)
    for line in lines:
        it.say(line)
