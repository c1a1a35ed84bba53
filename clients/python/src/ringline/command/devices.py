"""`ringline devices` and `ringline link`: the devices of an account."""

import asyncio
import time

from ringline.client.client import Client
from ringline.command.exit_codes import ExitCode
from ringline.command.output import Output, clock_text, day_text
from ringline.command.run import Failed
from ringline.protocol.resources import Account, Device

LOOK_S = 1.0


async def list_devices(output: Output, profile: str, server: str | None) -> ExitCode:
    async with await Client.open(profile, server=server, connect=False) as client:
        account = await client.devices()
    output.event(
        "devices",
        account=account.account,
        number=account.number,
        device=account.device,
        devices=[_fields(account, device) for device in account.devices],
    )
    output.table(
        ["device", "name", "since", "last seen", ""],
        [
            (
                device.device,
                device.name,
                day_text(device.created_at),
                day_text(device.last_seen_at),
                "this one" if device.device == account.device else "",
            )
            for device in account.devices
        ],
    )
    return ExitCode.OK


def _fields(account: Account, device: Device) -> dict[str, object]:
    return {
        "device": device.device,
        "name": device.name,
        "created_at": device.created_at,
        "last_seen_at": device.last_seen_at,
        "this": device.device == account.device,
    }


async def revoke_device(output: Output, profile: str, server: str | None, device: int) -> ExitCode:
    async with await Client.open(profile, server=server, connect=False) as client:
        await client.revoke(device)
    output.event("revoked", device=device)
    output.line(f"device {device} is removed")
    return ExitCode.OK


async def show_link_code(output: Output, profile: str, server: str | None) -> ExitCode:
    """Show a code, and wait until a device has joined by it or it has expired."""
    async with await Client.open(profile, server=server, connect=False) as client:
        before = {device.device for device in (await client.devices()).devices}
        shown_at = time.monotonic()
        code = await client.link_code()
        lifetime_s = max(0.0, code.expires_at / 1000 - time.time())
        output.event("link-code", code=code.link_code, expires_at=code.expires_at)
        output.line(code.link_code, style="bold")
        output.progress(
            f"On the new device, by {clock_text(code.expires_at)}: "
            f"ringline register --link {code.link_code} --server {client.server}"
        )
        while time.monotonic() - shown_at < lifetime_s + LOOK_S:
            await asyncio.sleep(LOOK_S)
            account = await client.devices()
            joined = [device for device in account.devices if device.device not in before]
            if joined:
                output.event("linked", **_fields(account, joined[0]))
                output.line(f"device {joined[0].device} ({joined[0].name}) has joined")
                return ExitCode.OK
        raise Failed("the code was not used and has expired")
