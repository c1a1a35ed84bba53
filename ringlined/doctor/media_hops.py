"""The relay and the SFU: there, reachable by their ports, and of one mind with the gateway."""

from typing import Final

from uuid_utils.compat import uuid7

from ringline.protocol.codec import SUBPROTOCOL_MSGPACK
from ringline.protocol.resources import (
    GroupCall,
    JoinTicket,
    NewGroupCall,
    NewJoinTicket,
    RelayCredentials,
)
from ringlined.doctor.gateway_hops import ADVICE_PROCESS, Account, check_ready
from ringlined.doctor.installation import Installation
from ringlined.doctor.questions import Questions, Refusal, Unanswered
from ringlined.doctor.relay_client import NoAnswer, Refused, connected, relay_address
from ringlined.trial.program import StepFailed
from ringlined.trial.step import Figures

UNAVAILABLE: Final = 503
NOT_REGISTERED: Final = (
    "Is its process running, with the same Redis and key prefix as the gateway? It says that it is "
    "there every few seconds."
)


async def relay_credentials(
    questions: Questions, installation: Installation, account: Account
) -> RelayCredentials:
    """For a call that is never placed. Raises StepFailed."""
    url = f"{installation.server}/v1/calls/{uuid7()}/relay-credentials"
    try:
        return await questions.ask("POST", url, RelayCredentials, token=account.token)
    except Refusal as error:
        advice = "Has the gateway the relays' secret?" if error.status == UNAVAILABLE else ""
        raise StepFailed(str(error), advice) from None


async def check_relay(
    questions: Questions, installation: Installation, credentials: RelayCredentials
) -> Figures:
    """Raises StepFailed."""
    await _check_process(questions, installation, "turn", "relay")
    if not credentials.uris:
        raise StepFailed("no relay is in the registry", NOT_REGISTERED)
    return {"relays": credentials.uris}


async def check_relay_port(credentials: RelayCredentials) -> Figures:
    """Raises StepFailed."""
    seen = []
    for uri in credentials.uris:
        try:
            async with connected(relay_address(uri)) as client:
                seen.append((await client.binding())[0])
        except (OSError, NoAnswer, Refused) as error:
            raise StepFailed(
                f"{uri} does not answer: {str(error) or 'nothing came back'}",
                "Its process runs, so look at what is between: a firewall (UDP, the relay's port and the "
                "relayed ports), an address translation without relay.external_address.",
            ) from None
    return {"we_are_seen_as": seen}


async def check_relay_credentials(credentials: RelayCredentials) -> Figures:
    """Raises StepFailed."""
    relayed = []
    for uri in credentials.uris:
        try:
            async with connected(relay_address(uri)) as client:
                host, port = await client.allocate(credentials)
                relayed.append(f"{host}:{port}")
        except NoAnswer:
            raise StepFailed(f"{uri} stopped answering", ADVICE_PROCESS) from None
        except Refused as error:
            raise StepFailed(
                f"{uri} refuses the gateway's credential: {error}", _advice(error.code)
            ) from None
    return {"relayed_addresses": relayed}


def _advice(code: int) -> str:
    return {
        401: "relay.secret (or relay.realm) differs between gateway and relay, or their clocks do. Each "
        "reads it at its start.",
        486: "One account has too many allocations: relay.allocations_per_account_max.",
        508: "The relay has no free port or is full: relay.allocations_max, relay.relayed_port_min/max.",
    }.get(code, "")


async def check_sfu(questions: Questions, installation: Installation, account: Account) -> Figures:
    """A call placed on a node, and the way to that node through the gateway. Raises StepFailed."""
    await _check_process(questions, installation, "sfu", "SFU")
    calls, call = f"{installation.server}/v1/group-calls", uuid7()
    wish = NewGroupCall(call=call)
    await questions.ask("POST", calls, GroupCall, body=wish, token=account.token)
    try:
        ticket = await questions.ask(
            "POST", f"{calls}/{call}/tickets", JoinTicket, body=NewJoinTicket(), token=account.token
        )
        await questions.opens_socket(installation.server + ticket.path, SUBPROTOCOL_MSGPACK)
    except Refusal as error:
        advice = NOT_REGISTERED if error.status == UNAVAILABLE else ""
        raise StepFailed(str(error), advice) from None
    except Unanswered as error:
        raise StepFailed(
            f"the gateway cannot reach the SFU node: {error}",
            "sfu.signalling_host and its port must be reachable from every gateway.",
        ) from None
    finally:
        await questions.fetch("DELETE", f"{calls}/{call}", token=account.token)
    return {"node": ticket.node}


async def _check_process(
    questions: Questions, installation: Installation, role: str, name: str
) -> None:
    """Where it runs on another machine, its port for health is not ours to ask."""
    if not installation.is_local:
        return
    try:
        await check_ready(questions, name, installation.admin[role])
    except Unanswered as error:
        raise StepFailed(f"the {name}'s process does not answer: {error}", ADVICE_PROCESS) from None
