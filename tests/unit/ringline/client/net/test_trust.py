import ssl
from pathlib import Path

import pytest

from loadtest.certificate import make_certificate
from ringline.client.errors import UsageError
from ringline.client.net.trust import VARIABLE, trust


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_without_a_file_nothing_is_added() -> None:
    assert trust(None) is None


def test_the_file_is_trusted_beside_the_machines_own(tmp_path: Path) -> None:
    usual = len(ssl.create_default_context().get_ca_certs())
    context = trust(make_certificate(tmp_path).certificate)
    assert context is not None
    assert len(context.get_ca_certs()) == usual + 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_the_variable_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(make_certificate(tmp_path).certificate))
    assert trust(None) is not None


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.pem: No such file"):
        trust(tmp_path / "nowhere.pem")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(UsageError, match=r"empty\.pem: no certificate"):
        trust(empty)
