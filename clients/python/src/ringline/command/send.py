"""`ringline send`: one message, and how far it should be before the command ends."""

import enum
import time

from ringline.client.client import Client
from ringline.command.exit_codes import ExitCode
from ringline.command.output import Output
from ringline.command.people import People


class Wait(enum.StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


async def send_text(
    output: Output,
    profile: str,
    server: str | None,
    to: str,
    text: str,
    wait: Wait,
    timeout_s: float,
) -> ExitCode:
    """A message that is not sent in time stays in the profile: the next command that connects sends
    it."""
    start = time.monotonic()
    async with await Client.open(profile, server=server, take_calls=False, shared=True) as client:
        people = People(client)
        await people.load()
        account = await people.find(to)
        message = await client.send(account, text)
        output.event("queued", id=message.id, conversation=account)
        timings: dict[str, int] = {}
        for state in list(Wait)[: list(Wait).index(wait) + 1]:
            reach = {Wait.SENT: message.sent, Wait.DELIVERED: message.delivered}
            left_s = max(0.0, timeout_s - (time.monotonic() - start))
            await reach.get(state, message.read)(left_s)
            timings[state.value] = round((time.monotonic() - start) * 1000)
            output.event(
                state.value, id=message.id, ms=timings[state.value], sent_at=message.sent_at
            )
            output.progress(f"{state.value} after {timings[state.value]} ms")
    output.event(
        "result",
        id=message.id,
        conversation=account,
        number=people.number(account),
        state=wait.value,
        sent_at=message.sent_at,
        ms=timings,
    )
    output.table(["to", "state", "ms"], [(people.name(account), wait.value, timings[wait.value])])
    return ExitCode.OK
