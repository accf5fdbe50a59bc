"""The configuration: what is accepted means what it says; what is refused is refused in one exact line."""

import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import config, config_rules, config_rules_source
from feedhandler.errors import ConfigError

INSTRUMENT = '{ venue = "EURUSD", symbol = "EUR/USD", tick = 0.00001, lot = 1, price_decimals = 5, size_decimals = 2 }'
GOOD = f"""
[feedhandler]
name = "demo"

[[handler]]
name = "handler1"

[[handler.source]]
name = "simvenue"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
instruments = [ {INSTRUMENT} ]

[conflator]

[bridge]

[recorder]
"""
SOURCE = GOOD[GOOD.index("[[handler.source]]") : GOOD.index("[conflator]")]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(text: str | bytes) -> Path:
        path = tmp_path / "c.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


def refusal(path: Path) -> str:
    """Return the one error of a file, without the file's name in front."""
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def outcome(path: Path) -> str:
    """Return the error of a file, "" where it is accepted; any other exception is the test's failure."""
    try:
        config.load(path)
    except ConfigError as error:
        return str(error)
    return ""


def test_a_minimal_file_gets_every_default(write: Any, tmp_path: Path) -> None:
    got = config.load(write(GOOD))
    assert got.feedhandler == config.General(
        name="demo",
        shm_dir="/dev/shm/feedhandler-demo",
        state_dir=str(tmp_path / "var/demo/state"),
        run_dir=str(tmp_path / "var/demo/run"),
    )
    instrument = config.InstrumentSpec(
        venue="EURUSD", symbol="EUR/USD", tick=0.00001, lot=1.0, price_decimals=5, size_decimals=2
    )
    source = config.Source(
        name="simvenue",
        profile="fix44",
        host="127.0.0.1",
        port=9880,
        sender="FH",
        target="SIM",
        instruments=[instrument],
    )
    assert got.handler == [config.Handler(name="handler1", source=[source])]
    assert (got.conflator, got.bridge, got.memory) == (config.Conflator(), config.Bridge(), config.Memory())
    assert got.recorder == config.Recorder(journal_dir=str(tmp_path / "var/demo/journal"))


def test_the_order_of_processes_is_the_order_of_starting(write: Any) -> None:
    names = [name for name, _, _ in config_rules.schedules(config.load(write(GOOD)))]
    assert names == ["handler1", "conflator", "bridge", "recorder"]


def test_the_example_is_complete_and_shows_the_defaults() -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "feedhandler.toml"
    got = config.load(path)
    assert (got.conflator, got.bridge) == (config.Conflator(), config.Bridge())
    assert got.recorder.parquet is not None
    assert [i.venue for i in got.handler[0].source[0].instruments] == ["EURUSD", "GBPUSD", "USDJPY", "BTCUSDT"]
    words = set(re.findall(r"[a-z_]+(?= = )", path.read_text()))
    tables = (
        config.General,
        config.Memory,
        config.Handler,
        config.Source,
        config.Bridge,
        config.Conflator,
        config.InstrumentSpec,
    )
    for table in (*tables, config.Recorder, config.Parquet, config.Tls, config.Hours):
        assert set(table.__struct_fields__) - {"source", "parquet", "tls", "schedule"} <= words


REPLACEMENTS = [
    # sources: endpoints, secrets, TLS, hours
    (
        "port = 9880",
        'port = 9880\nendpoints = ["b.example:1", "c.example"]',
        'handler[0].source[0].endpoints[1]: got "c.example", expected "host:port", or "[address]:port" for IPv6',
    ),
    (
        "port = 9880",
        'port = 9880\nendpoints = ["::1:99"]',
        'handler[0].source[0].endpoints[0]: got "::1:99", expected "host:port", or "[address]:port" for IPv6',
    ),
    (
        "port = 9880",
        'port = 9880\npassword_env = "A"\npassword_file = "b"',
        "handler[0].source[0].password_file: got a second place beside password_env, expected one of the two",
    ),
    (
        "port = 9880",
        'port = 9880\npassword_credential = "../x"',
        "handler[0].source[0].password_credential: got a path, expected the name of a systemd credential",
    ),
    (
        "port = 9880",
        'port = 9880\ntls = { ca_file = "/nowhere/ca.pem" }',
        'handler[0].source[0].tls.ca_file: got "/nowhere/ca.pem", expected a PEM file',
    ),
    (
        "port = 9880",
        'port = 9880\ntls = { key_file = "k.pem" }',
        "handler[0].source[0].tls.certificate_file: got nothing, expected a certificate for key_file",
    ),
    (
        "port = 9880",
        "port = 9880\ntls = { verify = false }",
        (
            "handler[0].source[0].tls.verify: got false for an unknown key, expected one of the keys ca_file, server_name, "
            "certificate_file, key_file, key_password_env, key_password_file, key_password_credential, min_version, "
            "max_version"
        ),
    ),
    (
        "port = 9880",
        'port = 9880\ntls = { min_version = "1.3", max_version = "1.2" }',
        'handler[0].source[0].tls.max_version: got "1.2", expected at least 1.3',
    ),
    (
        "port = 9880",
        'port = 9880\ntls = { min_version = "1.1" }',
        'handler[0].source[0].tls.min_version: got "1.1", expected one of "1.2", "1.3"',
    ),
    (
        "port = 9880",
        "port = 9880\nschedule = { start = 17:00:00 }",
        "handler[0].source[0].schedule.end: got nothing, expected a time of day such as 17:00:00",
    ),
    (
        "port = 9880",
        'port = 9880\nschedule = { start = "5 pm", end = 17:00:00 }',
        'handler[0].source[0].schedule.start: got "5 pm", expected a time of day such as 17:00:00',
    ),
    (
        "port = 9880",
        'port = 9880\nschedule = { start = 17:00:00, end = 17:00:00, start_day = "Sun" }',
        "handler[0].source[0].schedule.end_day: got nothing, expected a day, since the other one is given",
    ),
    (
        "port = 9880",
        'port = 9880\nschedule = { start = 17:00:00, end = 17:00:00, zone = "New York" }',
        'handler[0].source[0].schedule.zone: got "New York", expected a time zone such as America/New_York',
    ),
    # types and ranges
    ("port = 9880", "port = 99999", "handler[0].source[0].port: got 99999, expected 1..65535"),
    ("port = 9880", "port = 0", "handler[0].source[0].port: got 0, expected 1..65535"),
    ("port = 9880", "port = -1", "handler[0].source[0].port: got -1, expected 1..65535"),
    ("port = 9880", 'port = "9880"', 'handler[0].source[0].port: got "9880", expected an integer 1..65535'),
    ("port = 9880", "port = 9880.0", "handler[0].source[0].port: got 9880.0, expected an integer 1..65535"),
    ("port = 9880", "port = true", "handler[0].source[0].port: got true, expected an integer 1..65535"),
    (
        "port = 9880",
        f"port = 0x{'f' * 5000}",
        "handler[0].source[0].port: got an integer of 20000 bits, expected 1..65535",
    ),
    ("port = 9880", "port = [9880]", "handler[0].source[0].port: got a list of 1, expected an integer 1..65535"),
    ("port = 9880", "", "handler[0].source[0].port: got nothing, expected an integer 1..65535"),
    (
        "[bridge]",
        "[bridge]\nport = 2024-01-01",
        "bridge.port: got 2024-01-01, expected an integer 0..65535",
    ),
    ("[bridge]", "[bridge]\nslow_close_s = nan", "bridge.slow_close_s: got nan, expected a finite number"),
    ("[bridge]", "[bridge]\nslow_close_s = inf", "bridge.slow_close_s: got inf, expected a finite number"),
    (
        "[bridge]",
        "[bridge]\nslow_close_s = -0.5",
        "bridge.slow_close_s: got -0.5, expected a number above 0 and at most 86400",
    ),
    ("[conflator]", "[conflator]\ndepth = 0", "conflator.depth: got 0, expected 1..1000"),
    ("[conflator]", "[conflator]\npriority = -21", "conflator.priority: got -21, expected -20..19"),
    (
        "[conflator]",
        '[conflator]\nwait = "sleep"',
        'conflator.wait: got "sleep", expected one of "adaptive", "park", "spin", "yield"',
    ),
    ("[conflator]", "[conflator]\ncore = -1", "conflator.core: got -1, expected 0..1023"),
    ("tick = 0.00001", "tick = 0.0", "handler[0].source[0].instruments[0].tick: got 0.0, expected a number above 0"),
    ("tick = 0.00001", "tick = nan", "handler[0].source[0].instruments[0].tick: got nan, expected a finite number"),
    (
        'host = "127.0.0.1"',
        'host = "127.0.0.1"\nreset_on_logon = "no"',
        'handler[0].source[0].reset_on_logon: got "no", expected true or false',
    ),
    ("[recorder]", "[bridge.recorder]", "bridge.recorder: got a table for an unknown key, expected a known key "),
    (
        "[recorder]",
        '[recorder]\nfsync = "always"',
        'recorder.fsync: got "always", expected one of "block", "interval", "none"',
    ),
    # names
    (
        "[bridge]",
        "[bridge]\nprot = 1",
        'bridge.prot: got 1 for an unknown key, expected a known key (did you mean "port"?)',
    ),
    ("[bridge]", "[bridges]", 'bridges: got a table for an unknown key, expected a known key (did you mean "bridge"?)'),
    ("[bridge]", '[bridge]\n"a\\nb" = 1', 'bridge."a\\nb": got 1 for an unknown key, expected one of the keys '),
    (
        'name = "simvenue"',
        'name = "sim|venue"',
        'handler[0].source[0].name: got "sim|venue", expected a name of 1..31 letters, digits, ',
    ),
    ('name = "handler1"', 'name = "a/b"', 'handler[0].name: got "a/b", expected a name of 1..31 letters'),
    ('name = "handler1"', f'name = "{"x" * 32}"', f'handler[0].name: got "{"x" * 32}", expected a name of 1..31 '),
    (
        'name = "handler1"',
        'name = "conflator"',
        'handler[0].name: got "conflator", expected a name other than the reserved conflator, bridge, ',
    ),
    (
        'symbol = "EUR/USD"',
        'symbol = "EUR|USD"',
        'handler[0].source[0].instruments[0].symbol: got "EUR|USD",',
    ),
    ('symbol = "EUR/USD"', 'symbol = "*"', 'handler[0].source[0].instruments[0].symbol: got "*", expected one symbol'),
    # hosts and secrets
    ('host = "127.0.0.1"', 'host = "no host"', 'handler[0].source[0].host: got "no host", expected a host name or '),
    ('host = "127.0.0.1"', 'host = ""', 'handler[0].source[0].host: got "", expected a host name or an IP address'),
    (
        'host = "127.0.0.1"',
        'host = "300.1.1.1"',
        'handler[0].source[0].host: got "300.1.1.1", expected a host ',
    ),
    (
        "port = 9880",
        'port = 9880\npassword = "hunter2"',
        "handler[0].source[0].password: got a secret in the file, expected password_env with the name of an ",
    ),
    (
        "port = 9880",
        'port = 9880\npassword_env = "hunter 2"',
        "handler[0].source[0].password_env: got text that is no variable's name, expected the name of an environment",
    ),
    ("[bridge]", '[bridge]\ntokens = ["a"]', "bridge.tokens: got a secret in the file, expected tokens_env with "),
    (
        "[bridge]",
        '[bridge]\nhost = "0.0.0.0"',
        'bridge.host: got "0.0.0.0", expected a loopback address, or tokens_env for the clients\' tokens',
    ),
    ("[bridge]", "[memory]\nmlock = true\n[bridge]", "memory.mlock: got true, expected"),
    ("[bridge]", '[memory]\nmode = "0644"\n[bridge]', 'memory.mode: got "0644", expected'),
    ("[bridge]", "[memory]\nhuge = true\n[bridge]", "memory.huge: got true for an unknown key"),
    ("[bridge]", '[memory]\ngroup = "a b"\n[bridge]', 'memory.group: got "a b", expected a name or a number'),
    (
        "[bridge]",
        '[memory]\ngroup = "no-such-group"\n[bridge]',
        'memory.group: got "no-such-group", expected a group of this host, by name or number',
    ),
    # relations
    (
        'name = "handler1"',
        'name = "handler1"\nring_capacity = 1000000',
        "handler[0].ring_capacity: got 1000000, expected a power of two",
    ),
    (
        "[conflator]",
        "[conflator]\nderived_capacity = 65535",
        "conflator.derived_capacity: got 65535, expected a power of two",
    ),
    (
        'name = "handler1"',
        'name = "handler1"\nring_capacity = 4294967296',
        "handler[0].ring_capacity: got 4294967296, expected segments that fit into /dev/shm: ",
    ),
    (
        "port = 9880",
        "port = 9880\nreconnect_min_s = 5.0\nreconnect_max_s = 4.0",
        "handler[0].source[0].reconnect_max_s: got 4.0, expected at least reconnect_min_s = 5.0",
    ),
    (
        "[bridge]",
        '[bridge]\ncore = 1\nwait = "spin"\n[conflator]\ncore = 1\nwait = "spin"',
        "bridge.core: got 1, expected a core other than that of conflator",
    ),
    (
        f"instruments = [ {INSTRUMENT} ]",
        "instruments = []",
        "handler[0].source[0].instruments: got none, expected at least one instrument, here or in instruments_file",
    ),
    (
        f"instruments = [ {INSTRUMENT} ]",
        f"instruments = [ {INSTRUMENT}, {INSTRUMENT} ]",
        (
            'handler[0].source[0].instruments[1].venue: got "EURUSD", expected a value other than that of '
            "handler[0].source[0].instruments[0].venue"
        ),
    ),
    (
        "[feedhandler]",
        f'[feedhandler]\nrun_dir = "/{"r" * 100}"',
        'feedhandler.run_dir: got "/rrrr',
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), REPLACEMENTS, ids=[new[:60] for _, new, _ in REPLACEMENTS])
def test_a_bad_value_names_key_value_and_expectation(write: Any, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace("[conflator]", "", 1) if old == "[bridge]" and "[conflator]" in new else GOOD
    got = refusal(write(text.replace(old, new, 1)))
    assert got.startswith(expected)


def test_no_error_shows_a_secret(write: Any) -> None:
    for line in ('password = "hunter2"', 'PASSWORD = "hunter2"', 'password_env = "hunter2!"'):
        assert "hunter2" not in refusal(write(GOOD.replace("port = 9880", f"port = 9880\n{line}")))


def test_an_unknown_profile(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_rules_source, "profiles", lambda: ["fix44", "fix50"])
    assert refusal(write(GOOD.replace('"fix44"', '"fix45"'))) == (
        'handler[0].source[0].profile: got "fix45", expected one of "fix44", "fix50"'
    )


def test_duplicate_names(write: Any) -> None:
    second = f'[[handler]]\nname = "h2"\n{SOURCE}'
    assert refusal(write(GOOD.replace("[conflator]", f"{second}[conflator]"))) == (
        'handler[1].source[0].name: got "simvenue", expected a value other than that of handler[0].source[0].name'
    )
    second = second.replace('"h2"', '"handler1"').replace("simvenue", "other")
    assert refusal(write(GOOD.replace("[conflator]", f"{second}[conflator]"))) == (
        'handler[1].name: got "handler1", expected a value other than that of handler[0].name'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "feedhandler: got nothing, expected a table with name"),
        ('[feedhandler]\nname = "x"', "handler: got nothing, expected a list with at least 1"),
        ('handler = []\n[feedhandler]\nname = "x"', "handler: got a list of 0, expected a list with at least 1"),
        ('handler = 3\n[feedhandler]\nname = "x"', "handler: got 3, expected a list with at least 1"),
        ('[feedhandler]\nname = "x"\n[[handler]]\nname = "h"', "handler[0].source: got nothing, expected a list with "),
        ("[feedhandler\n", "line 1, column "),
        ("a = 1\na = 2\n", "line 2, column 6: got Cannot overwrite a value, expected TOML"),
        ("x = '\n", "last line: got Expected "),
        (b"\xff", "line 1: got byte 0xff, expected UTF-8 text"),
        (b"a = 1\nb = '\xc3'", "line 2: got byte 0xc3, expected UTF-8 text"),
        (f"x = {'9' * 5000}", "got Exceeds the limit"),
        (f"x = {'[' * 100_000}", "got values nested beyond measure, expected TOML of a few levels"),
    ],
    ids=range(12),
)
def test_what_is_no_configuration(write: Any, text: str | bytes, expected: str) -> None:
    assert refusal(write(text)).startswith(expected)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == "got no such file, expected a TOML configuration file"
    assert refusal(tmp_path).startswith("got an unreadable file (")


def test_tokens_open_a_public_bridge(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FH_TOKENS", " a, b,,c ")
    got = config.load(write(GOOD.replace("[bridge]", '[bridge]\nhost = "0.0.0.0"\ntokens_env = "FH_TOKENS"')))
    assert got.bridge.tokens == ("a", "b", "c")


HEADER = "venue,symbol,tick,lot,price_decimals,size_decimals,currency,calendar"
FILE = GOOD.replace(f"instruments = [ {INSTRUMENT} ]", 'instruments_file = "i.csv"')


def test_instruments_out_of_a_file(write: Any, tmp_path: Path) -> None:
    rows = f'\ufeff{HEADER}\r\nA,"A,B/C",0.5,1e3,1,0,USD,24/7\r\n\r\n B , B/C ,1,1,0,15,,\r\n'
    (tmp_path / "i.csv").write_bytes(rows.encode())
    assert config.load(write(FILE)).handler[0].source[0].instruments == [
        config.InstrumentSpec(
            venue="A", symbol="A,B/C", tick=0.5, lot=1000.0, price_decimals=1, size_decimals=0, currency="USD"
        ),
        config.InstrumentSpec(venue="B", symbol="B/C", tick=1.0, lot=1.0, price_decimals=0, size_decimals=15),
    ]


CELLS = [
    (f"{HEADER}\nA,A,x,1,0,0,,", 'row 2 of {path}, tick: got "x", expected a number above 0'),
    (f"{HEADER}\nA,A,1,1,0,0,,\nB,B,-1,1,0,0,,", "row 3 of {path}, tick: got -1.0, expected a number above 0"),
    (f"{HEADER}\nA,A,nan,1,0,0,,", 'row 2 of {path}, tick: got "nan", expected a number above 0'),
    (f"{HEADER}\nA,A,1e999,1,0,0,,", 'row 2 of {path}, tick: got "1e999", expected a number above 0'),
    (f"{HEADER}\nA,A,1_0,1,0,0,,", 'row 2 of {path}, tick: got "1_0", expected a number above 0'),
    (f"{HEADER}\nA,A,1,1,1.0,0,,", 'row 2 of {path}, price_decimals: got "1.0", expected an integer 0..15'),
    (f"{HEADER}\nA,A,1,1,16,0,,", "row 2 of {path}, price_decimals: got 16, expected 0..15"),
    (f"{HEADER}\n,A,1,1,0,0,,", 'row 2 of {path}, venue: got "", expected 1..63 printable ASCII'),
    (f"{HEADER}\nA,A,1,1,0,0,$,", 'row 2 of {path}, currency: got "$", expected at most 13 letters and digits'),
]


@pytest.mark.parametrize(("rows", "expected"), CELLS)
def test_a_bad_cell_names_its_row(write: Any, tmp_path: Path, rows: str, expected: str) -> None:
    path = tmp_path / "i.csv"
    path.write_text(rows)
    wanted = "handler[0].source[0].instruments_file " + expected.format(path=path)
    assert refusal(write(FILE)).startswith(wanted)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, 'got "{path}" (No such file or directory), expected a readable CSV file'),
        (b"", "got the empty file {path}, expected the columns venue,symbol,"),
        (b"venue,symbol\n", 'got no column "tick" in {path}, expected the columns venue,'),
        (b"venue,venue\n", 'got column "venue" in {path}, expected the columns'),
        (b"foo,venue\n", 'got column "foo" in {path}, expected the columns'),
        (f"{HEADER}\nA,A\n".encode(), "got row 2 of {path}: 2 values, expected 8, one a column"),
        (f'{HEADER}\n"A,A\n'.encode(), "got row 2 of {path}: unexpected end of data, expected CSV"),
        (f"{HEADER}\n\xff".encode("latin-1"), "got row 2 of {path}: byte 0xff, expected UTF-8 text"),
    ],
    ids=range(8),
)
def test_a_bad_instruments_file(write: Any, tmp_path: Path, data: bytes | None, expected: str) -> None:
    path = tmp_path / "i.csv"
    if data is not None:
        path.write_bytes(data)
    got = refusal(write(FILE))
    assert got.startswith("handler[0].source[0].instruments_file: " + expected.format(path=path))


def test_a_file_of_a_header_alone_has_no_instruments(write: Any, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(f"{HEADER}\n")
    assert refusal(write(FILE)).startswith("handler[0].source[0].instruments: got none")


@pytest.mark.parametrize("host", ["localhost", "::1", "10.0.0.1", "a.example.com.", "venue-1", "fix_gw"])
def test_hosts(host: str) -> None:
    assert config_rules.is_host(host)


@given(st.text(max_size=300))
def test_a_host_never_holds_what_no_host_holds(host: str) -> None:
    if config_rules.is_host(host):
        allowed = set(string.ascii_letters + string.digits + "-_.:%")
        assert host
        assert len(host) <= 260
        assert set(host.split("%", maxsplit=1)[0]) <= allowed


LINES = [line for line in GOOD.splitlines() if " = " in line and "instruments" not in line]
VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(lambda x: repr(x).replace("e", "e")),
    st.booleans().map(lambda x: str(x).lower()),
    st.text(alphabet=string.printable.replace("\\", "").replace('"', ""), max_size=40)
    .filter(lambda t: not set(t) & set("\n\r\x0b\x0c"))
    .map(lambda t: f'"{t}"'),
    st.sampled_from(["[]", "[1]", "{}", "{ a = 1 }", "1979-05-27", "''", "@", ""]),
)


@settings(max_examples=400, deadline=None)
@given(line=st.sampled_from(LINES), value=VALUES)
def test_any_value_of_any_key_is_taken_or_refused_in_one_line(
    line: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "property.toml"
    path.write_text(GOOD.replace(line, f"{line.split(' = ', maxsplit=1)[0]} = {value}", 1))
    error = outcome(path)
    if error:
        assert "\n" not in error
        assert error.startswith(f"{path}: ")
        assert "expected " in error


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_refused_in_one_line(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), header=st.booleans())
def test_any_instruments_file_is_taken_or_refused_in_one_line(
    data: bytes, header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "c.toml").write_text(FILE)
    (folder / "i.csv").write_bytes((f"{HEADER}\n".encode() if header else b"") + data)
    assert "\n" not in outcome(folder / "c.toml")
