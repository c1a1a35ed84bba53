"""The gateway: is it there, are its parts, is its certificate good; and two accounts of its making."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from backplane.telemetry.health import HealthReport
from ringline.protocol.resources import AccessToken, DeviceCredential, NewAccessToken
from ringlined.doctor.certificate import WARN_DAYS, look
from ringlined.doctor.installation import Installation
from ringlined.doctor.questions import Questions, Refusal, Unanswered
from ringlined.trial.program import StepFailed
from ringlined.trial.step import WARNING, Figures

ACCOUNTS: Final = "/v1/operator/accounts"
ADVICE_PROCESS: Final = (
    "Look at its log, and whether its process runs and is not stopped; `ringlined up` starts one "
    "that died again."
)
PARTS: Final = {
    "records": "the file of accounts",
    "queues": "the file of queues",
    "registry": "Redis, as this node sees it",
}

_log = structlog.get_logger()


async def check_ready(questions: Questions, role: str, admin: str) -> list[str]:
    """The names of the parts that are well: all. Raises Unanswered, StepFailed."""
    status, content = await questions.fetch("GET", f"{admin}/readyz")
    try:
        report = msgspec.json.decode(content, type=HealthReport)
    except msgspec.MsgspecError:
        raise StepFailed(
            f"{admin} is not the {role}'s port for health: it answered {status}",
            "Does something else have that port?",
        ) from None
    sick = [probe for probe in report.probes if not probe.ok]
    if sick:
        parts = ", ".join(f"{PARTS.get(p.name, p.name)} ({p.problem})" for p in sick)
        raise StepFailed(f"the {role} is not well: {parts}", "Look at that part, and its log.")
    if status != 200:
        raise StepFailed(f"the {role} is stopping", "Start it again.")
    return [probe.name for probe in report.probes]


async def check_gateway(questions: Questions, installation: Installation) -> Figures:
    """Raises StepFailed."""
    try:
        parts = await check_ready(questions, "gateway", installation.admin["gateway"])
    except Unanswered as error:
        raise StepFailed(f"the gateway's port for health: {error}", ADVICE_PROCESS) from None
    return {"well": parts}


async def check_certificate(questions: Questions, installation: Installation) -> Figures:
    """And whether the door for clients opens. Raises StepFailed."""
    figures: Figures = {"tls": False}
    if installation.server.startswith("https://"):
        shown = await look(installation.server, installation.config.gateway.certificate_file)
        figures = {"tls": True, "days_left": shown.days_left, "private": shown.ca_file is not None}
        if shown.ca_file is not None:
            questions.tls = ssl.create_default_context(cafile=shown.ca_file)
            questions.ca_file = str(shown.ca_file)
        if shown.days_left < WARN_DAYS:
            figures[WARNING] = f"the certificate expires in {shown.days_left:.0f} days"
    try:
        await questions.fetch("GET", f"{installation.server}/v1/openapi.json")
    except Unanswered as error:
        raise StepFailed(
            f"the door for clients: {error}",
            "Does a firewall or a proxy stand before it? Name the server as clients do: --server URL.",
        ) from None
    return figures


class Account(Struct, frozen=True):
    credential: DeviceCredential
    token: str
    """For access."""


@asynccontextmanager
async def two_accounts(
    questions: Questions, installation: Installation, operator_token: str
) -> AsyncIterator[tuple[Account, Account]]:
    """Made by the operator's door; removed whatever happens. Raises StepFailed."""
    if not operator_token:
        raise StepFailed(
            "no operator's token is here",
            "Give the doctor the configuration that the gateway has (--config FILE, --data DIR), as a "
            "user that may read its secrets.",
        )
    door = installation.admin["gateway"] + ACCOUNTS
    made: list[DeviceCredential] = []
    try:
        for _ in range(2):
            made.append(await _mint(questions, door, operator_token))  # noqa: PERF401 - removed if the next one fails
        first, second = [await _log_in(questions, installation, each) for each in made]
        yield first, second
    finally:
        for each in made:
            try:
                await questions.fetch("DELETE", f"{door}/{each.account}", token=operator_token)
            except Unanswered:
                _log.warning("an account of the doctor stays for a day", account=str(each.account))


async def _mint(questions: Questions, door: str, operator_token: str) -> DeviceCredential:
    try:
        return await questions.ask(
            "POST", door, DeviceCredential, body={"name": "doctor"}, token=operator_token
        )
    except Refusal as error:
        advice = ""
        if error.status in (401, 404):
            advice = "The gateway has another operator's token, or none: it reads it at its start."
        raise StepFailed(str(error), advice) from None


async def _log_in(
    questions: Questions, installation: Installation, credential: DeviceCredential
) -> Account:
    wish = NewAccessToken(
        account=credential.account, device=credential.device, credential=credential.credential
    )
    bought = await questions.ask("POST", f"{installation.server}/v1/tokens", AccessToken, body=wish)
    return Account(credential, bought.access_token)
