import pytest

from sfu.codec import Codec


def codec(name: str, fmtp: str = "", payload_type: int = 96) -> Codec:
    return Codec(payload_type, name, 90000, 1, fmtp)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (codec("VP8"), codec("vp8", payload_type=100), True),
        (codec("VP8"), codec("VP9"), False),
        (codec("VP9"), codec("VP9", "profile-id=0"), True),
        (codec("VP9"), codec("VP9", "profile-id=2"), False),
        (codec("AV1", "profile=0;level-idx=5"), codec("AV1"), True),
        (
            codec("H264", "packetization-mode=1;profile-level-id=42e01f"),
            codec("H264", "profile-level-id=42C02A; packetization-mode=1"),
            True,
        ),
        (
            codec("H264", "packetization-mode=1;profile-level-id=42e01f"),
            codec("H264", "packetization-mode=0;profile-level-id=42e01f"),
            False,
        ),
        (
            codec("H264", "packetization-mode=1;profile-level-id=42e01f"),
            codec("H264", "packetization-mode=1;profile-level-id=640c1f"),
            False,
        ),
    ],
)
def test_whether_one_can_be_read_as_the_other(one: Codec, other: Codec, same: bool) -> None:
    assert one.same_as(other) is same
    assert other.same_as(one) is same


def test_the_map_names_channels_when_there_are_more_than_one() -> None:
    assert Codec(111, "opus", 48000, 2).rtpmap == "opus/48000/2"
    assert codec("VP8").rtpmap == "VP8/90000"
