"""The proofs' own codec, against others: the sample of RFC 5769 §2.4 and aioice's."""

import pytest
from aioice import stun
from aioice.turn import make_integrity_key

from tests.integration.turn import wire
from tests.integration.turn.wire import Attr, Kind, Method, NotStun

SAMPLE = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c"
    "662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014"
    "f67024656dd64a3e02b8e0712e85c9a28ca89666"
)


def test_the_sample_of_the_standard_is_read_and_intact() -> None:
    message = wire.decode(SAMPLE)
    assert (message.method, message.kind) == (Method.BINDING, Kind.REQUEST)
    assert message.need(Attr.USERNAME).decode() == "マトリックス"
    assert message.padding == bytes(3)
    realm = message.need(Attr.REALM).decode()
    key = wire.long_term_key("マトリックス", realm, "TheMatrIX")
    assert wire.intact(message, key)
    assert not wire.intact(message, wire.long_term_key("マトリックス", realm, "TheMatrix"))


@pytest.mark.parametrize("host", [("192.0.2.1", 32_853), ("2001:db8::11", 9)])
def test_what_is_written_here_is_read_by_aioice(host: wire.Host) -> None:
    transaction = bytes(range(12))
    data = wire.encode(
        Method.CHANNEL_BIND,
        Kind.REQUEST,
        [
            (Attr.CHANNEL_NUMBER, wire.channel_number(0x4ABC)),
            (Attr.XOR_PEER_ADDRESS, wire.address(host, transaction)),
            (Attr.USERNAME, b"odd"),
        ],
        transaction=transaction,
        key=wire.long_term_key("odd", "realm", "secret"),
        fingerprint=True,
    )
    read = stun.parse_message(data)
    read.check_message_integrity(make_integrity_key("odd", "realm", "secret"))
    assert read.message_method is stun.Method.CHANNEL_BIND
    assert read.attributes["CHANNEL-NUMBER"] == 0x4ABC
    assert read.attributes["XOR-PEER-ADDRESS"] == host
    again = wire.decode(data)
    assert again.address(Attr.XOR_PEER_ADDRESS) == host
    assert wire.intact(again, wire.long_term_key("odd", "realm", "secret"))


def test_what_aioice_writes_is_read_here() -> None:
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.ERROR, bytes(12))
    message.attributes["ERROR-CODE"] = (486, "Allocation Quota Reached")
    read = wire.decode(bytes(message))
    assert (read.method, read.kind, read.error) == (Method.ALLOCATE, Kind.ERROR, 486)


@pytest.mark.parametrize(
    "data",
    [b"", SAMPLE[:19], SAMPLE[:-1], SAMPLE + b"\0", b"\x40" + SAMPLE[1:], SAMPLE[:4] + SAMPLE],
)
def test_what_is_no_message_is_not_read(data: bytes) -> None:
    with pytest.raises(NotStun):
        wire.decode(data)
