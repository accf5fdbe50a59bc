"""Seeds of the native fuzz targets: one message of each shape we know, and each shape of the captures."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

HEAD = "34=1|49=SIM|56=FH|52=20261121-11:00:00.123456789|"
BODIES = (
    f"X|{HEAD}268=2|279=0|269=0|55=EURUSD|270=1.10505|271=1000000|279=1|269=1|55=EURUSD|270=1.10512|271=2500.5",
    f"X|{HEAD}268=2|279=1|269=0|55=EURUSD|270=1.1|271=5|272=20261121|273=11:00:00.123|279=2|269=1|270=1.2",
    f"X|{HEAD}268=3|279=0|278=1|269=0|55=EURUSD|270=1|271=1|279=1|278=2|280=1|279=2|278=2",
    f"X|{HEAD}55=USDJPY|268=1|279=0|269=2|270=150.1|271=3|278=T-17|54=1|1003=99",
    f"X|{HEAD}60=20261121-11:00:00|83=7|268=1|279=0|269=J|55=USDJPY",
    f"X|{HEAD}268=1|279=0|270=1.5|271=0|269=0|55=EURUSD|83=18446744073709551615|5041=12345",
    f"W|{HEAD}55=EURUSD|268=2|269=0|270=1.10505|271=1000000|269=1|270=1.10512|271=2500.5",
    f"W|{HEAD}262=r|55=USDJPY|268=1|269=2|270=25929.169999999996|271=1|273=11:00:01",
    f"W|{HEAD}268=0|55=EURUSD",
    f"W|43=Y|{HEAD}95=3|96=\x01\x01\x01|55=A-LONG-SYMBOL-OF-24-CHRS|268=1|269=0|278=a|270=1|271=1",
    f"X|{HEAD}268=9|279=0|279=0|269=0|269=1|=5|nonsense|354=11|355=270=5|279=2",
    f"W|{HEAD}55=EURUSD|83=4|893=N|268=2|269=0|1023=1|270=1.5|271=2|269=1|1023=1|270=1.6|271=0|5041=974947235",
    f"X|{HEAD}55=EURUSD|83=6|268=3|279=0|269=0|1023=1|270=1.51|271=3|279=2|269=0|1023=2|279=1|269=1|1023=1|271=4|893=Y",
    f"X|{HEAD}268=3|279=3|269=0|55=EURUSD|1023=1|279=4|269=1|1023=1|279=5|269=0|1023=1|270=1.4|271=1|5041=1",
    f"X|{HEAD}893=N|268=2|279=1|270=1.5|271=9|269=0|55=EURUSD|25043=5|25044=6|279=2|270=1.6|269=1",
    "0|34=2|49=SIM|56=FH|52=20261121-11:00:00",
)
VALUES = (
    "1.10505", "-0.5", "0", ".5", "5.", "1000000", "123456789012345", "1234567890123456", "0.12345678901234567890",
    "25929.169999999996", "9" * 400, "11:00:00", "23:59:60.999999999999", "20261121-11:00:00.5", "20240229", "EURUSD",
    "A-LONG-SYMBOL-OF-24-CHRS", "", "-", ".", "18446744073709551616", "00000000000000000001",
)  # fmt: skip


def frame(body: bytes) -> bytes:
    """Return a whole message of a body that begins behind `35=`."""
    data = b"35=" + body + b"\x01"
    data = b"8=FIX.4.4\x019=%d\x01" % len(data) + data
    return data + b"10=%03d\x01" % (sum(data) % 256)


def captured(captures: Path | None, limit: int = 40) -> list[bytes]:
    """Return the bodies, from behind `35=`, of one message of each shape in the FIX captures."""
    shapes: dict[tuple[bytes, ...], bytes] = {}
    for path in sorted((captures / "fix").glob("*.fix")) if captures else []:
        for message in path.read_bytes().split(b"8=FIX")[1:]:
            body = message.partition(b"\x0135=")[2].rpartition(b"\x0110=")[0]
            shape = tuple(field.partition(b"=")[0] for field in body.split(b"\x01"))
            shapes.setdefault(shape, body)
    return list(shapes.values())[:limit]


def inputs(target: str, captures: Path | None) -> Iterator[bytes]:
    """Yield the seeds of a target; the layout of each is in its .cpp."""
    bodies = [text.encode("latin-1") for text in BODIES]
    seen = [body.replace(b"\x01", b"|") for body in captured(captures)]
    everything = b"\n".join([*bodies, *seen])
    stream = b"".join(frame(body.replace(b"|", b"\x01")) for body in bodies)
    match target:
        case "decode_fuzz":
            for table in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"):
                yield from (table + body + b"\n" + body for body in [*bodies, *seen])
                yield table + everything
        case "frame_fuzz":
            yield b"L" + everything
            yield b"S" + stream
            yield b"S" + stream[:-9] + b"garbage8=FIX" + stream
        case "stream_fuzz":
            for piece in (b"\x00", b"\x10", b"\xff"):
                yield b"1" + piece + b"\n".join(b"35=" + body for body in [*bodies, *seen[:4]])
                yield b"0" + piece + stream + b"garbage8=FIX.4.4\x019=99" + stream
        case "value_fuzz":
            yield from (text.encode() for text in VALUES)
            yield "\n".join(VALUES).encode()


def write(target: str, folder: Path, captures: Path | None) -> None:
    """Put the seeds of a target into its corpus; the same seed has the same name."""
    for data in inputs(target, captures):
        (folder / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)
