"""The load's own STUN: what it writes, aioice's codec reads, and the other way round."""

import pytest
from aioice import stun
from aioice.turn import make_integrity_key

from loadtest import turn_wire
from loadtest.turn_wire import Refused, Signer

TRANSACTION = bytes(range(12))
NONCE = b"an odd nonce."


def challenge(code: int = 401) -> bytes:
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.ERROR, TRANSACTION)
    message.attributes["ERROR-CODE"] = (code, "Unauthorized")
    message.attributes["REALM"] = "a realm"
    message.attributes["NONCE"] = NONCE
    return bytes(message)


def test_a_challenge_is_learnt_and_a_request_signed_by_it() -> None:
    signer = Signer("user", "password")
    nonce = signer.learn(turn_wire.read_reply(challenge()))
    assert nonce == NONCE
    attributes = (turn_wire.channel(0x4000), turn_wire.peer(("192.0.2.7", 1234)))
    request = signer.request(turn_wire.CHANNEL_BIND, attributes, nonce)
    key = make_integrity_key("user", "a realm", "password")
    read = stun.parse_message(request)
    read.check_message_integrity(key)
    assert read.message_method is stun.Method.CHANNEL_BIND
    assert read.message_class is stun.Class.REQUEST
    assert read.attributes["USERNAME"] == "user"
    assert read.attributes["NONCE"] == NONCE
    assert read.attributes["CHANNEL-NUMBER"] == 0x4000
    assert read.attributes["XOR-PEER-ADDRESS"] == ("192.0.2.7", 1234)


def test_a_success_says_the_relayed_address() -> None:
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.RESPONSE, TRANSACTION)
    message.attributes["XOR-RELAYED-ADDRESS"] = ("192.0.2.1", 50_000)
    reply = turn_wire.read_reply(bytes(message))
    assert reply.success
    assert reply.transaction == TRANSACTION
    assert reply.relayed == ("192.0.2.1", 50_000)
    assert reply.error == 0


def test_another_error_is_no_challenge() -> None:
    signer = Signer("user", "password")
    with pytest.raises(Refused, match="486"):
        signer.learn(turn_wire.read_reply(challenge(486)))
    with pytest.raises(Refused, match="401"):
        signer.learn(turn_wire.read_reply(challenge()), b"a nonce")
    assert signer.learn(turn_wire.read_reply(challenge(438)), b"a nonce") == NONCE


@pytest.mark.parametrize("data", [b"", b"\x40\0\0\0", bytes(20), turn_wire.first_allocate()])
def test_what_is_no_response_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        turn_wire.read_reply(data)


def test_channel_data_says_its_length() -> None:
    assert turn_wire.channel_data(0x4001, b"abc") == b"\x40\x01\x00\x03abc"
