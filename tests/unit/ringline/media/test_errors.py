from ringline.media.errors import MediaError, MediaFailed, MediaRefused, MediaUnavailable


def test_each_fault_is_a_media_error_and_none_is_another() -> None:
    kinds = [MediaRefused, MediaUnavailable, MediaFailed]
    assert all(issubclass(kind, MediaError) for kind in kinds)
    assert not any(issubclass(a, b) for a in kinds for b in kinds if a is not b)
