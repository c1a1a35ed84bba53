"""Which devices an account has, as last heard from the server."""

from collections.abc import Sequence
from uuid import UUID

from ringline.client.net.api import Api
from ringline.protocol.frames import CallDeviceBody
from ringline.protocol.resources import DeviceAddress, DeviceAddresses
from ringline.protocol.types import Address, DeviceBody, Recipient


class DeviceLists:
    def __init__(self, api: Api, own: Address) -> None:
        self._api = api
        self._own = own
        self._lists: dict[UUID, Sequence[DeviceAddress]] = {}

    async def learn(self, account: UUID) -> Sequence[DeviceAddress]:
        """Ask the server. Raise Refused (not-found), Unreachable."""
        path = f"/v1/accounts/{account}/devices"
        found = await self._api.ask("GET", path, DeviceAddresses, repeat=True)
        self._lists[account] = found.devices
        return found.devices

    def recipients(self, conversation: UUID, body: bytes) -> list[Recipient]:
        """What a send must list: the other account, and one's own other devices if there are any."""
        listed = [Recipient(conversation, self._bodies(conversation, body))]
        own = self._own.account
        if conversation != own and (others := self._bodies(own, body)):
            listed.append(Recipient(own, others))
        return listed

    def _bodies(self, account: UUID, body: bytes) -> list[DeviceBody]:
        return [
            DeviceBody(device.device, device.registration_id, body)
            for device in self._lists.get(account, ())
            if Address(account, device.device) != self._own
        ]

    async def offers(self, account: UUID, offer: bytes) -> list[CallDeviceBody]:
        """For an invite. Raise as `learn`."""
        return [
            CallDeviceBody(device.device, device.registration_id, offer)
            for device in await self.learn(account)
        ]

    async def answer(self, caller: Address, answer: bytes) -> list[CallDeviceBody]:
        """For an accept: to the calling device alone. Raise as `learn`."""
        known = self._lists.get(caller.account)
        if known is None or caller.device not in {device.device for device in known}:
            known = await self.learn(caller.account)
        ids = {device.device: device.registration_id for device in known}
        return [CallDeviceBody(caller.device, ids.get(caller.device, 0), answer)]
