import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, unpack_remb_fci
from hypothesis import given
from hypothesis import strategies as st

from sfu import rtcp


@given(st.sets(st.integers(0, 65535), min_size=1, max_size=40))
def test_what_is_missing_comes_through(lost: set[int]) -> None:
    packets, whole = rtcp.read_compound(rtcp.nack(1, 2, lost))
    assert whole
    feedback = rtcp.read_feedback(packets[0])
    assert feedback is not None
    assert set(rtcp.nack_sequences(feedback.information)) == lost


@given(st.binary(max_size=200))
def test_nothing_that_comes_breaks_the_reader(data: bytes) -> None:
    for packet in rtcp.read_compound(data)[0]:
        rtcp.read_sender_info(packet)
        rtcp.read_goodbye(packet)
        feedback = rtcp.read_feedback(packet)
        if feedback is not None:
            rtcp.nack_sequences(feedback.information)
            rtcp.fir_ssrcs(feedback.information)


def test_another_reads_what_we_write() -> None:
    block = rtcp.ReportBlock(5, 64, -3, 70_000, 9, 0x01020304, 65536)
    compound = rtcp.receiver_report(1, [block]) + rtcp.picture_loss(1, 5)
    compound += rtcp.nack(1, 5, [10, 11]) + rtcp.bitrate_limit(1, 1_500_000, [5, 6])
    report, loss, missing, remb = RtcpPacket.parse(compound)
    assert isinstance(report, RtcpRrPacket)
    assert (report.reports[0].ssrc, report.reports[0].fraction_lost) == (5, 64)
    assert report.reports[0].packets_lost == -3
    assert report.reports[0].highest_sequence == 70_000
    assert isinstance(loss, RtcpPsfbPacket)
    assert (loss.fmt, loss.media_ssrc) == (1, 5)
    assert isinstance(missing, RtcpRtpfbPacket)
    assert missing.lost == [10, 11]
    assert isinstance(remb, RtcpPsfbPacket)
    bitrate, ssrcs = unpack_remb_fci(remb.fci)
    assert (bitrate, ssrcs) == (1_500_000, [5, 6])


def test_reports_and_names() -> None:
    info = rtcp.SenderInfo(7, 2**63 + 1, 90_000, 10, 1000)
    compound = rtcp.sender_report(info) + rtcp.source_description(7, "ann") + rtcp.goodbye(7)
    packets, whole = rtcp.read_compound(compound)
    assert whole
    assert rtcp.read_sender_info(packets[0]) == info
    assert [packet.type for packet in packets] == [200, 202, 203]
    assert rtcp.read_goodbye(packets[2]) == [7]


@pytest.mark.parametrize("cut", [1, 3, 5, 11])
def test_what_is_cut_off_is_not_whole(cut: int) -> None:
    compound = rtcp.receiver_report(1) + rtcp.picture_loss(1, 2)
    assert not rtcp.read_compound(compound[:-cut])[1]


def test_padding_is_taken_off_and_must_fit() -> None:
    assert rtcp.read_compound(bytes([0xA0, 201, 0, 1, 0, 0, 0, 4]))[0][0].body == b""
    assert rtcp.read_compound(bytes([0xA0, 201, 0, 1, 0, 0, 0, 5])) == ([], False)


def test_limits() -> None:
    many = rtcp.receiver_report(1) * (rtcp.PACKETS_MAX + 1)
    packets, whole = rtcp.read_compound(many)
    assert (len(packets), whole) == (rtcp.PACKETS_MAX, False)
    assert len(rtcp.nack_sequences(b"\0\1\xff\xff" * 200)) == rtcp.NACK_SEQUENCES_MAX
    block = rtcp.ReportBlock(5, 0, 0, 0, 0, 0, 0)
    packets, whole = rtcp.read_compound(rtcp.receiver_report(1, [block] * 40))
    assert (packets[0].count, whole) == (rtcp.REPORT_BLOCKS_MAX, True)
