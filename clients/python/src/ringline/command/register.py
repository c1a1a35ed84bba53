"""`ringline register`: a number, or a link code that another device shows."""

import asyncio
import sys
from pathlib import Path

from ringline.client.client import Client
from ringline.client.profile import profile_directory
from ringline.client.store import Identity
from ringline.command.exit_codes import ExitCode
from ringline.command.output import Output
from ringline.command.run import Failed
from ringline.protocol.codec import Malformed, decode_body
from ringline.protocol.resources import DeviceCredential, Registration


async def register_number(
    output: Output, profile: str, server: str | None, number: str, code: str | None, name: str
) -> ExitCode:
    if code is None and not sys.stdin.isatty():
        raise Failed("there is no terminal to ask for the code on: use --code", ExitCode.USAGE)

    async def ask(registration: Registration) -> str:
        output.event(
            "code-sent",
            number=number,
            code_expires_at=registration.code_expires_at,
            resend_at=registration.resend_at,
        )
        if code is not None:
            return code
        output.progress(f"A code is on its way to {number}.")
        # On a thread: Ctrl-C must end the wait.
        return await asyncio.get_running_loop().run_in_executor(None, _prompt)

    async with await Client.open(profile, server=server, connect=False) as client:
        output.progress(f"Registering {number} on {client.server} …")
        return _done(output, client, await client.register(number, ask, name), profile)


async def register_linked(
    output: Output, profile: str, server: str | None, link_code: str, name: str
) -> ExitCode:
    async with await Client.open(profile, server=server, connect=False) as client:
        output.progress(f"Joining an account on {client.server} …")
        return _done(output, client, await client.link(link_code, name), profile)


async def register_adopted(
    output: Output, profile: str, server: str | None, file: Path
) -> ExitCode:
    try:
        credential = decode_body(file.read_bytes(), DeviceCredential)
    except (OSError, Malformed) as error:
        raise Failed(f"{file}: {error}", ExitCode.USAGE) from None
    async with await Client.open(profile, server=server, connect=False) as client:
        output.progress(f"Taking a device on {client.server} …")
        return _done(output, client, await client.adopt(credential), profile)


def _prompt() -> str:
    sys.stderr.write("Code: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _done(output: Output, client: Client, identity: Identity, profile: str) -> ExitCode:
    directory = str(profile_directory(profile))
    output.event(
        "registered",
        account=identity.account,
        device=identity.device,
        number=identity.number,
        name=identity.name,
        server=client.server,
        profile=directory,
    )
    output.table(
        ["registered", ""],
        [
            ("number", identity.number),
            ("account", identity.account),
            ("device", f"{identity.device} ({identity.name})"),
            ("server", client.server),
            ("profile", directory),
        ],
    )
    return ExitCode.OK
