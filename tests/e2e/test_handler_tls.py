"""A handler whose source is behind TLS, and whose secrets nobody finds in anything that it writes."""

import re
import subprocess
import sys

import pytest

from feedhandler import control
from tests.support.certificates import Authority
from tests.support.fix_site import Site, ticks, until
from tests.support.tls_server import TlsServer, forward_to

PASSWORD = "correct-horse-battery"


def whole_log(site):
    return "".join(path.read_text() for path in site.folder.glob("handler*.log"))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_ticks_over_tls_are_the_venues_and_the_password_is_in_nothing_that_is_written(tmp_path, authority):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "venue-password").write_text(f"{PASSWORD}\n")
    sim = []
    with TlsServer(authority.sign("localhost"), forward_to(lambda: sim[0])) as server:

        def where(port):
            sim.append(port)
            return f'host = "localhost"\nport = {server.port}'

        site = Site(
            tmp_path, where=where, log_level="debug",
            more='username = "me"\npassword_credential = "venue-password"\nmask_tags = [553]\n',
            tables=f'[handler.source.tls]\nca_file = "{authority.certificate}"',
            environment={"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")},
        )  # fmt: skip
        try:
            until(lambda: site.ask()["counts"]["ticks"] > 3000)
            venue, records = site.settled()
            status = site.ask()
            config = site.folder / "c.toml"
            check = subprocess.run(
                [sys.executable, "-m", "feedhandler", "check", config], check=True, capture_output=True
            )
            control.call(site.ctl, "stop")
            assert site.handler.wait(20) == 0
        finally:
            site.close()
    assert venue["ticks_sent"] == ticks(records)
    assert status["transport"].startswith("TLSv1.3 ")
    assert server.seen[0].server_name == "localhost"
    log = whole_log(site)
    assert re.search(r"35=A\|.*\|553=\*\*\*\|554=\*\*\*\|", log), "the Logon is logged, masked"
    assert "35=5|" in log, "so is the Logout"
    assert "35=X|" not in log, "no market data is"
    written = [log, check.stdout.decode(), check.stderr.decode(), repr(status)]
    files = [p for p in (tmp_path / "var").rglob("*") if p.is_file()]
    assert files
    assert not [text for text in written if PASSWORD in text]
    assert not [p for p in files if PASSWORD.encode() in p.read_bytes()]


def test_a_wrong_certificate_is_one_sentence_with_the_sources_name(tmp_path, authority):
    with TlsServer(authority.sign("other.example"), lambda _: None) as server:
        site = Site(
            tmp_path, where=lambda _: f'host = "localhost"\nport = {server.port}',
            tables=f'[handler.source.tls]\nca_file = "{authority.certificate}"',
        )  # fmt: skip
        try:
            until(lambda: "certificate" in whole_log(site))
            assert site.ask()["state"] == "disconnected"
            assert site.ask()["reason"] == "connect_failed"
        finally:
            site.close()
    (line,) = [line for line in whole_log(site).splitlines() if "certificate" in line]
    assert '"source":"simvenue"' in line.replace(": ", ":")
    assert f"localhost:{server.port}: the venue's certificate is for another host than localhost; put right the" in line
    assert "Traceback" not in whole_log(site)


def test_an_unusable_certificate_file_is_refused_at_the_start(tmp_path, authority):
    (tmp_path / "empty.pem").write_text("")
    config = tmp_path / "c.toml"
    config.write_text(f"""
[feedhandler]
name = "t"
shm_dir = "{tmp_path / "shm"}"
[[handler]]
name = "h1"
[[handler.source]]
name = "v"
profile = "fix44"
host = "127.0.0.1"
port = 1
sender = "A"
target = "B"
instruments = [ {{ venue = "E", symbol = "E", tick = 1.0, lot = 1.0, price_decimals = 0, size_decimals = 0 }} ]
tls = {{ ca_file = "empty.pem" }}
""")
    ended = subprocess.run(
        [sys.executable, "-m", "feedhandler.handler", "--config", config],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert "source v: tls: got tls.ca_file: " in ended.stderr
    assert "empty.pem has no certificates" in ended.stderr
