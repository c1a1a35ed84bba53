from signaling.admission import Admission


def test_connections_are_limited_in_all() -> None:
    admission = Admission(connections_max=2, anonymous_per_address_max=9)
    assert [admission.connect() for _ in range(3)] == [True, True, False]
    admission.disconnect()
    assert admission.connect()
    assert admission.open == 2


def test_an_address_has_its_share_of_anonymous_ones() -> None:
    admission = Admission(connections_max=9, anonymous_per_address_max=2)
    assert [admission.enter("a") for _ in range(3)] == [True, True, False]
    assert admission.enter("b"), "another address is not concerned"
    admission.leave("a")
    assert admission.enter("a")


def test_nothing_is_kept_of_addresses_that_left() -> None:
    admission = Admission(connections_max=9, anonymous_per_address_max=1)
    for index in range(100):
        assert admission.enter(str(index))
        admission.leave(str(index))
    assert admission.anonymous("5") == 0
    assert not admission.enter("x") or not admission.enter("x")
    assert admission.anonymous("x") == 1
