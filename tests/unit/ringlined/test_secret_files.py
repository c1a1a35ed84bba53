"""Secrets of the data directory."""

from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from backplane.tickets import TicketRefused
from ringline.protocol.types import Address
from ringlined.config import Config, load_config
from ringlined.secret_files import (
    SecretMissing,
    gateway_secrets,
    make_secrets,
    relay_secrets,
    ticket_verifier,
)


def config(data: Path) -> Config:
    return load_config(None, {"storage": {"directory": str(data)}})


def test_they_are_made_once_for_this_user_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    files = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == {"relay", "ticket.key", "ticket.pub", "operator"}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    make_secrets(tmp_path)
    assert files == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_another_installation_has_others(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        make_secrets(tmp_path / name)
    assert relay_secrets(config(tmp_path / "one")) != relay_secrets(config(tmp_path / "other"))


def test_what_the_gateway_signs_the_node_takes(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    signer = gateway_secrets(config(tmp_path)).tickets
    assert signer is not None
    device, call = Address(uuid4(), 1), uuid4()
    ticket = signer.sign(device, call, "sfu-1", "i" * 22, 1_000)
    verifier = ticket_verifier(config(tmp_path))
    assert verifier.verify(ticket, "sfu-1", 1_000).call == call
    with pytest.raises(TicketRefused):
        verifier.verify(ticket, "sfu-2", 1_000)


def test_without_any_a_gateway_offers_less_and_nodes_refuse(tmp_path: Path) -> None:
    secrets = gateway_secrets(config(tmp_path))
    assert (secrets.relay_secret, secrets.tickets, secrets.operator_token) == ("", None, "")
    with pytest.raises(SecretMissing, match=r"relay\.secret"):
        relay_secrets(config(tmp_path))
    with pytest.raises(SecretMissing, match=r"sfu\.ticket_public_keys"):
        ticket_verifier(config(tmp_path))


def test_what_is_configured_wins(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    plain = config(tmp_path)
    relay = msgspec.structs.replace(plain.relay, secret="mine", previous_secret="old")
    changed = msgspec.structs.replace(plain, relay=relay)
    assert relay_secrets(changed) == ["mine", "old"]
    assert gateway_secrets(changed).relay_secret == "mine"
