"""Join tickets: what a node takes, and every way to bend one (security criterion K7)."""

import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backplane.tickets import TicketRefused, TicketSigner, TicketVerifier
from ringline.protocol import limits
from ringline.protocol.types import Address

NOW_S = 1_795_000_000
NODE = "sfu-1a2b3c4d"
DEVICE = Address(UUID("11111111-2222-4333-8444-555555555555"), 7)
CALL = UUID("01939d5a-0000-7000-8000-00000000abcd")
ID = "A" * 22
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def private_pem(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


SIGNER = TicketSigner(private_pem(KEY))
VERIFIER = TicketVerifier([public_pem(KEY)])


def ticket() -> str:
    return SIGNER.sign(DEVICE, CALL, NODE, ID, NOW_S)


def claims(**changed: Any) -> dict[str, Any]:
    whole = {
        "iss": "ringline",
        "aud": NODE,
        "sub": str(DEVICE),
        "call": str(CALL),
        "jti": ID,
        "iat": NOW_S,
        "exp": NOW_S + 30,
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def signed(**changed: Any) -> str:
    return jwt.encode(claims(**changed), KEY, algorithm="EdDSA")


def segment(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_ticket_says_who_joins_what_where() -> None:
    found = VERIFIER.verify(ticket(), NODE, NOW_S)
    assert (found.device, found.call, found.node, found.id) == (DEVICE, CALL, NODE, ID)
    assert (found.issued_at_s, found.expires_at_s) == (NOW_S, NOW_S + limits.JOIN_TICKET_LIFETIME_S)
    assert jwt.get_unverified_header(ticket())["alg"] == "EdDSA"


def test_it_is_good_until_it_expires() -> None:
    end = NOW_S + limits.JOIN_TICKET_LIFETIME_S
    assert VERIFIER.verify(ticket(), NODE, end - 1)
    with pytest.raises(TicketRefused, match="expired"):
        VERIFIER.verify(ticket(), NODE, end)


def test_another_node_refuses_it() -> None:
    with pytest.raises(TicketRefused, match="another node"):
        VERIFIER.verify(ticket(), "sfu-ffffffff", NOW_S)


def test_keys_are_changed_by_trusting_both_for_a_while() -> None:
    both = TicketVerifier([public_pem(OTHER_KEY), public_pem(KEY)])
    assert both.verify(ticket(), NODE, NOW_S).device == DEVICE
    with pytest.raises(TicketRefused, match="no gateway of ours"):
        TicketVerifier([public_pem(OTHER_KEY)]).verify(ticket(), NODE, NOW_S)


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "call", "jti", "iat", "exp"])
def test_every_claim_is_needed(name: str) -> None:
    with pytest.raises(TicketRefused):
        VERIFIER.verify(signed(**{name: None}), NODE, NOW_S)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "elsewhere"},
        {"aud": [NODE]},
        {"sub": str(DEVICE.account)},
        {"sub": f"{DEVICE.account}.0"},
        {"sub": f"{DEVICE.account}.128"},
        {"sub": f"{DEVICE.account}.7.7"},
        {"sub": 7},
        {"call": "everything"},
        {"call": 5},
        {"jti": "short"},
        {"jti": "A" * 65},
        {"jti": "A" * 21 + "/"},
        {"iat": float(NOW_S)},
        {"iat": str(NOW_S)},
        {"iat": True},
        {"exp": NOW_S + 0.5},
        {"exp": NOW_S + 31},
        {"iat": NOW_S + 6, "exp": NOW_S + 36},
        {"iat": NOW_S - 3600},
    ],
    ids=str,
)
def test_claims_out_of_their_bounds_are_refused(changed: dict[str, Any]) -> None:
    assert VERIFIER.verify(signed(), NODE, NOW_S)
    with pytest.raises(TicketRefused):
        VERIFIER.verify(signed(**changed), NODE, NOW_S)


def test_no_signature_is_no_ticket() -> None:
    payload = segment(claims())
    for algorithm in ("none", "None", "NONE"):
        head = segment({"alg": algorithm, "typ": "JWT"})
        for text in (f"{head}.{payload}.", f"{head}.{payload}"):
            with pytest.raises(TicketRefused):
                VERIFIER.verify(text, NODE, NOW_S)


def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HS256 keyed with what everybody may know."""
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for secret in (public_pem(KEY).encode(), public_pem(KEY).strip().encode(), raw):
        body = segment({"alg": "HS256", "typ": "JWT"}) + "." + segment(claims())
        tag = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        with pytest.raises(TicketRefused):
            VERIFIER.verify(f"{body}.{segment(tag)}", NODE, NOW_S)


def test_a_key_in_the_header_is_not_believed() -> None:
    point = OTHER_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    own = {"kty": "OKP", "crv": "Ed25519", "x": segment(point)}
    text = jwt.encode(claims(), OTHER_KEY, algorithm="EdDSA", headers={"jwk": own, "kid": "1"})
    with pytest.raises(TicketRefused):
        VERIFIER.verify(text, NODE, NOW_S)


def test_one_changed_character_anywhere_is_refused() -> None:
    whole = ticket()
    for place in range(len(whole) - 1):  # the last character holds bits that are not read
        bent = "B" if whole[place] == "A" else "A"
        with pytest.raises(TicketRefused):
            VERIFIER.verify(whole[:place] + bent + whole[place + 1 :], NODE, NOW_S)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        segment(b"[" * 1500),
        segment(b"[" * 1200) + "." + segment(b"{}") + ".AA",
        segment(b'{"alg":' + b"[" * 1200) + "." + segment(b"{}") + ".AA",
        segment({"alg": ["EdDSA"]}) + "." + segment(claims()) + ".AA",
        segment({"alg": "EdDSA", "crit": ["x"], "x": 1}) + "." + segment(claims()) + ".AA",
    ],
    ids=range(10),
)
def test_rubbish_is_refused_like_the_rest(text: str) -> None:
    with pytest.raises(TicketRefused):
        VERIFIER.verify(text, NODE, NOW_S)


def test_the_reason_does_not_quote_the_ticket() -> None:
    with pytest.raises(TicketRefused) as refused:
        VERIFIER.verify(signed(iss="<script>"), NODE, NOW_S)
    assert "script" not in str(refused.value)


def test_keys_of_another_kind_are_refused_at_the_start() -> None:
    other_kind = generate_private_key(SECP256R1())
    with pytest.raises(ValueError, match="Ed25519"):
        TicketSigner(private_pem(other_kind))
    with pytest.raises(ValueError, match="Ed25519"):
        TicketVerifier([public_pem(other_kind)])
    with pytest.raises(ValueError, match="public key"):
        TicketVerifier([])
    with pytest.raises(ValueError):  # whatever the library says
        TicketSigner("rubbish")
