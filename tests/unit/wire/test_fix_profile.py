"""Dialect profiles: what each must say, what lays over what, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from feedhandler.config import Source
from feedhandler.sources.fix_config import gap_policy, session_config
from feedhandler.wire import fix_logon, fix_profile

PROFILES = sorted(fix_profile.profile_path("fix44").parent.glob("*.toml"))
TESTS = Path(__file__).parent / "dialects"
SMALL = 'based_on = "fix44"\nname = "small"\nsources = ["a letter"]\nunverified = []\n'


def source(**settings):
    plain = {"name": "v", "profile": "p", "host": "h", "port": 1, "sender": "FH", "target": "SIM"}
    return msgspec.convert(plain | settings, Source)


def small(tmp_path, text):
    path = tmp_path / "small.toml"
    path.write_text(SMALL + text)
    return fix_profile.load(path)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_is_short_names_its_sources_and_has_a_test(path):
    profile = fix_profile.load(path.stem)
    assert profile.name == path.stem
    assert all(profile.sources)
    assert len(path.read_text().splitlines()) < 80
    assert path.stem == "fix44" or (TESTS / f"test_{path.stem}.py").is_file()
    assert f"| `{path.stem}` |" in (path.parents[1] / "README.md").read_text()


def test_what_a_profile_says_lies_over_its_base_key_by_key(tmp_path):
    profile = small(tmp_path, '[tags]\nsymbol = 48\ntransact_time = []\n[entry_types]\n"7" = "ignored"\n[session]\nresend = false\n')  # fmt: skip
    base = fix_profile.load("fix44")
    assert profile.tags == base.tags | {"symbol": 48, "transact_time": []}
    assert profile.entry_types == base.entry_types | {"7": "ignored"}
    assert profile.book == base.book
    assert (profile.session.resend, base.session.resend) == (False, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[session]\nlogon_hook = 'rot13'\n", "session.logon_hook: got 'rot13', expected one of ed25519, hmac_sha256"),
        ("[session]\nlogon = { a = 'b' }\n", "session.logon.a: got 'a', expected a tag number"),
        ('[session]\nheader = { 57 = "a\\u0001b" }\n', "session.header.57: got 'a\\x01b', expected text without SOH"),
        ("[book]\nkeying = 'position'\n", "tags.position: got None, expected a tag, for keying = position"),
        ("[book]\ncheck = 'crc32_top10'\n", "tags.book_check"),
        ("[book]\ngap_check = 'range'\n", "tags.first_update"),
        ("[book]\ngap_check = 'entry'\n[tags]\nvenue_sequence = []\n", "tags.venue_sequence"),
        ("[book]\nsize_unknown = -1.0\n", "size_unknown"),
        ("[tags]\nsymbol = []\n", "tags.symbol"),
        ("[tags]\nposition = 270\n", "270 has a meaning already"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, says):
    with pytest.raises(fix_profile.ProfileError) as error:
        small(tmp_path, text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("base", "says"),
    [('"nothere"', "there is no"), ('"lmax"', "is itself based on another"), ("7", "expected the name of a profile")],
)
def test_a_base_that_is_none(tmp_path, base, says):
    path = tmp_path / "p.toml"
    path.write_text(SMALL.replace('"fix44"', base, 1))
    with pytest.raises(fix_profile.ProfileError, match=says):
        fix_profile.load(path)


def test_a_profile_says_for_itself_where_its_facts_are_from(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('based_on = "fix44"\nname = "p"\nunverified = []\n')
    with pytest.raises(fix_profile.ProfileError, match="sources"):
        fix_profile.load(path)


def test_a_venue_that_resends_nothing_is_resubscribed(tmp_path):
    plain, lmax = fix_profile.load("fix44"), fix_profile.load("lmax")
    found = [
        gap_policy(source(gap_policy=policy), profile)
        for profile in (plain, lmax)
        for policy in ("resend", "resubscribe", "reconnect")
    ]
    assert found == ["resend", "resubscribe", "reconnect", "resubscribe", "resubscribe", "reconnect"]
    assert session_config(source(), lmax).resend_on_gap is False
    assert session_config(source(), plain).resend_on_gap is True


def test_a_sources_sub_ids_come_before_the_profiles():
    profile = fix_profile.load("ctrader")
    assert session_config(source(), profile).header_fields == ((50, b"QUOTE"), (57, b"QUOTE"))
    own = session_config(source(target_sub="TRADE"), profile)
    assert own.header_fields == ((50, b"QUOTE"), (57, b"TRADE"))
    assert session_config(source(sender_sub="desk"), fix_profile.load("fix44")).header_fields == ((50, b"desk"),)


def test_levels_by_position_are_levels_by_price_in_the_ring(tmp_path):
    profile = small(tmp_path, "[book]\nkeying = 'position'\n[tags]\nposition = 1023\n")
    assert (profile.record_keying(), profile.record_keying("id")) == ("price", "id")
    assert fix_profile.load("ctrader").record_keying() == "id"
    assert fix_profile.load("ctrader").record_keying("price") == "price"


def test_fixed_logon_fields_need_no_hook():
    who = fix_logon.Credentials(sender="a", target="b", password="geheim", secret="key")
    assert fix_logon.make("", who, []) is None
    hook = fix_logon.make("", who, [(9002, b"Y")])
    assert hook is not None
    assert hook(1, "20261121-11:00:00") == [(9002, b"Y")]
    assert repr(who) == "Credentials(a->b)"


@pytest.mark.parametrize(
    ("sending_time", "ms"),
    [
        (b"20261121-11:00:00", b"1795258800000."),
        (b"20261121-11:00:00.2", b"1795258800200."),
        (b"20261121-11:00:00.250999", b"1795258800250."),
    ],
)
def test_the_nonces_time_is_the_sending_time(sending_time, ms):
    hook = fix_logon.nonce_sha256(fix_logon.Credentials(sender="a", target="b", secret="s"))
    assert hook(1, sending_time.decode())[1][1].startswith(ms)
