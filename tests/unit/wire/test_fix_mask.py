"""What people may read of a FIX message."""

import pytest

from feedhandler.wire.fix_mask import Mask


def text(message, *tags):
    return Mask(tags).text(message.replace("|", "\x01").encode("latin-1"))


def test_passwords_and_signatures_are_hidden_and_nothing_else():
    logon = "8=FIX.4.4|9=90|35=A|34=1|49=A|56=B|98=0|108=30|553=me|554=secret|925=next|95=3|96=abc|10=000|"
    assert text(logon) == ("8=FIX.4.4|9=90|35=A|34=1|49=A|56=B|98=0|108=30|553=me|554=***|925=***|95=3|96=***|10=000|")


def test_configured_tags_are_hidden_too():
    assert text("35=A|553=me|1553=you|58=x|", 553, 58) == "35=A|553=***|1553=you|58=***|"


def test_data_with_separators_inside_is_hidden_whole():
    assert text("35=A|95=9|96=a|554=b|c|58=x|") == "35=A|95=9|96=***|58=x|"


@pytest.mark.parametrize("length", ["999", "999999999", "0", "x"])
def test_a_length_that_lies_uncovers_nothing(length):
    assert "abc" not in text(f"35=A|95={length}|96=abc|10=000|")


def test_bytes_beyond_ascii_are_escaped():
    assert text("58=\xe9|") == "58=\\xe9|"
