from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backplane.bus.codec import decode_message, encode_message
from backplane.bus.ports import AnyBusMessage, Displaced, PresenceChanged, Revoked, Wake
from ringline.protocol.types import Address, PresenceState

addresses = st.builds(Address, st.uuids(), st.integers(1, 127))
messages: st.SearchStrategy[AnyBusMessage] = st.one_of(
    st.builds(Wake, addresses=st.lists(addresses, max_size=5)),
    st.builds(Displaced, address=addresses, fence=st.integers(0, 2**53)),
    st.builds(Revoked, addresses=st.lists(addresses, max_size=3), replaced=st.booleans()),
    st.builds(
        PresenceChanged,
        account=st.uuids(),
        state=st.sampled_from(PresenceState),
        last_seen=st.none() | st.integers(0, 2**53),
    ),
)


@given(messages)
def test_there_and_back(message: AnyBusMessage) -> None:
    assert decode_message(encode_message(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        message = decode_message(data)
    except ValueError:
        return
    assert decode_message(encode_message(message)) == message


def test_deep_nesting_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_message(b"\x91" * 100_000)


def test_identifiers_travel_as_sixteen_bytes() -> None:
    message = Wake(addresses=[Address(uuid4(), 1)])
    assert message.addresses[0].account.bytes in encode_message(message)
