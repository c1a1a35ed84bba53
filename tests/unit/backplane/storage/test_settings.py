import ast
import inspect

import msgspec
import pytest

from backplane.storage import settings as module
from backplane.storage.settings import StorageSettings


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="directroy"):
        msgspec.convert({"directroy": "x"}, StorageSettings)


def test_waiting_for_a_lock_ends_before_the_call_does() -> None:
    settings = StorageSettings()
    assert settings.busy_timeout_ms / 1000 < settings.call_timeout_s
    assert settings.group_bytes_max <= settings.pending_bytes_max


def test_every_key_says_what_it_is() -> None:
    (struct,) = (
        node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef)
    )
    pairs = zip(struct.body, struct.body[1:], strict=False)
    described = [
        key.target.id
        for key, text in pairs
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
    ]
    assert described == list(StorageSettings.__struct_fields__)
