"""Profiles, subscriptions and the quarantine file: the parts of a source that need no socket."""

import pytest

from feedhandler.instruments import Instrument
from feedhandler.sources import quarantine
from feedhandler.sources.fix_subscription import REPEAT_NS, Subscription
from feedhandler.wire import fix_profile

SECOND = 1_000_000_000


def subscription(count=5, resnapshot="snapshot", **settings):
    profile = fix_profile.load("fix44")
    words = fix_profile.Subscription(resnapshot=resnapshot)
    profile = fix_profile.Profile(
        **{name: getattr(profile, name) for name in profile.__struct_fields__ if name != "subscription"},
        subscription=words,
    )
    instruments = [Instrument(id=i, source=1, venue_symbol=f"S{i}", symbol=f"S{i}") for i in range(1, count + 1)]
    return Subscription(profile, instruments, **{"prefix": "p", "depth": 0, "per_message": 2, "per_s": 10.0} | settings)


def text(request):
    return "|".join(f"{tag}={value.decode()}" for tag, value in request)


def test_a_logon_subscribes_to_everything_in_messages_of_the_configured_size():
    assert [text(request) for request in subscription(3).all()] == [
        "262=p-1|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=2|55=S1|55=S2",
        "262=p-2|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=S3",
    ]


def test_resnapshots_are_paced():
    one = subscription()
    one.all()
    assert one.want(None) == 5
    assert one.want([1]) == 0
    asked = 0
    for step in range(11):  # a second at ten instruments a second would do ten
        asked += sum(text(request).count("55=") for request in one.due(SECOND + step * SECOND // 20))
        assert asked <= 1 + step * 0.5
    assert asked == 5
    assert one.waiting == 0
    with pytest.raises(KeyError):
        one.want([77])


def test_a_snapshot_request_leaves_the_subscription_alone():
    one = subscription()
    one.all()
    one.want([2])
    assert [text(r) for r in one.due(SECOND)] == ["262=p-4|263=0|264=0|267=3|269=0|269=1|269=2|146=1|55=S2"]


def test_resubscribing_ends_and_renews_the_whole_request():
    one = subscription(resnapshot="resubscribe")
    one.all()
    one.want([2])
    ended, renewed = [text(request) for request in one.due(SECOND)]
    assert ended.startswith("262=p-1|263=2|")
    assert renewed.startswith("262=p-4|263=1|")
    assert ended.endswith("146=2|55=S1|55=S2")
    assert renewed.endswith("146=2|55=S1|55=S2")
    assert one.active == 5


def test_more_instruments_are_asked_for_and_nothing_else_is():
    one = subscription(2)
    one.all()
    more = [Instrument(id=i, source=1, venue_symbol=f"S{i}", symbol=f"S{i}") for i in (7, 8, 9)]
    asked = [text(request) for request in one.add(more)]
    assert [request[request.index("146=") :] for request in asked] == ["146=2|55=S7|55=S8", "146=1|55=S9"]
    assert [request[: request.index("|264")] for request in asked] == ["262=p-2|263=1", "262=p-3|263=1"]
    assert (one.ids, one.active) == ([1, 2, 7, 8, 9], 5)


def test_removed_instruments_end_their_requests_and_no_others():
    one = subscription(5)
    one.all()  # p-1: 1 2, p-2: 3 4, p-3: 5
    one.want([2, 4])
    asked = [text(request) for request in one.remove([2, 5])]
    assert [(r[: r.index("|264")], r[r.index("146=") :]) for r in asked] == [
        ("262=p-1|263=2", "146=2|55=S1|55=S2"),
        ("262=p-4|263=1", "146=1|55=S1"),
        ("262=p-3|263=2", "146=1|55=S5"),
    ]
    assert (one.ids, one.active, one.waiting) == ([1, 3, 4], 3, 1)
    with pytest.raises(KeyError):
        one.want([2])


def test_a_damaged_book_is_not_asked_for_again_and_again():
    one = subscription()
    one.all()
    assert one.damaged([1, 99], SECOND) == 1
    one.due(SECOND)
    assert one.damaged([1], SECOND + REPEAT_NS - 1) == 0
    assert one.damaged([1], SECOND + REPEAT_NS) == 1


def test_a_refusal_is_remembered():
    one = subscription()
    one.all()
    assert one.refused("p-1", "no such thing") == 2
    assert one.active == 3
    assert one.rejected == {"p-1": "no such thing"}
    assert one.refused("nonsense", "") == 0


def test_the_quarantine_is_bounded_and_reads_back(tmp_path):
    keeper = quarantine.Quarantine(tmp_path, "venue", bytes_max=2000)
    for i in range(50):
        keeper.add(i, "bad_number", 100, b"\n\x01raw" * 20)
    keeper.close()
    entries = quarantine.read(keeper.path)
    assert entries[-1] == (
        {"ts_recv": 49, "source": "venue", "why": "bad_number", "bytes": 100, "kept": 100},
        b"\n\x01raw" * 20,
    )
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    assert keeper.rotated > 0
    assert (keeper.written, keeper.failed) == (50, 0)


def test_a_torn_last_entry_is_left_out(tmp_path):
    keeper = quarantine.Quarantine(tmp_path, "venue")
    keeper.add(1, "bad_group", 3, b"abc")
    keeper.add(2, "bad_group", 3, b"def")
    keeper.close()
    keeper.path.write_bytes(keeper.path.read_bytes()[:-3])
    assert [kept for _, kept in quarantine.read(keeper.path)] == [b"abc"]


PROFILE = (fix_profile.profile_path("fix44")).read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "fix44"', 'name = "fix44"\nnonsense = 1', "nonsense"),
        ("symbol = 55", "symbol = 0", "tags"),
        ("symbol = 55", "symbol = 40000", "tags"),
        ("symbol = 55", "symbols = 55", "tags.symbols"),
        ("symbol = 55", "symbol = 270", "270 has a meaning already"),
        ("symbol = 55", "symbol = 34", "34 has a meaning already"),
        ("first_tag_snapshot = 269", "first_tag_snapshot = 268268", "first_tag_snapshot"),
        ("first_tag_snapshot = 269", "first_tag_snapshot = 31", "first_tag_snapshot"),
        ('keying = "price"', 'keying = "prize"', "keying"),
        ('"0" = "bid"', '"00" = "bid"', "entry_types.00"),
        ('"0" = "bid"', '"0" = "bit"', "entry_types.0"),
        ('"0" = "new"', '"0" = "newer"', "update_actions.0"),
        ("[tags]", "[tags", "line"),
        ('begin_string = "FIX.4.4"', 'begin_string = "FOX.4.4"', "begin_string"),
    ],
)
def test_a_bad_profile_is_one_error_naming_file_and_key(tmp_path, old, new, says):
    assert old in PROFILE
    path = tmp_path / "bad.toml"
    path.write_text(PROFILE.replace(old, new, 1))
    with pytest.raises(fix_profile.ProfileError) as error:
        fix_profile.load(path)
    assert says in str(error.value)


def test_an_unknown_profile_is_an_error():
    with pytest.raises(fix_profile.ProfileError, match="there is no"):
        fix_profile.load("nothere")
