"""What each route does, in the services' words: one method per row of `signaling.routes.ROUTES`."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from messaging.app import Messaging
from ringline.protocol import frames, resources
from ringline.protocol.types import Address
from signaling.group_call_desk import GroupCallDesk
from signaling.relay_issuer import RelayIssuer


class CallDesk(Protocol):
    """`signaling.call_desk.CallDesk`, as far as the gateway needs it."""

    async def event(self, sender: Address, frame: frames.Call) -> frames.CallStatus: ...

    async def record(self, caller: Address, call: UUID) -> resources.CallRecord: ...

    async def expire_due(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Request:
    peer: str
    """The client's address."""
    device: Address | None
    """Who asks; None on routes without authentication."""
    parameters: dict[str, Any]
    body: Any

    @property
    def caller(self) -> Address:
        if self.device is None:
            raise AssertionError("the route asks for no authentication")
        return self.device


class Operations:
    """Every method may raise `messaging.errors.Refused` and `backplane.errors.WorldError`."""

    def __init__(
        self,
        messaging: Messaging,
        call_desk: CallDesk,
        group_calls: GroupCallDesk,
        relays: RelayIssuer,
    ) -> None:
        self._messaging = messaging
        self._call_desk = call_desk
        self._group_calls = group_calls
        self._relays = relays

    async def start_registration(self, request: Request) -> resources.Registration:
        number = request.body.number
        return await self._messaging.registrations.start(number, request.peer)

    async def resend_code(self, request: Request) -> resources.Registration:
        token = request.parameters["registration"]
        return await self._messaging.registrations.resend(token, request.peer)

    async def verify_registration(self, request: Request) -> resources.DeviceCredential:
        token = request.parameters["registration"]
        return await self._messaging.registrations.verify(token, request.body, request.peer)

    async def issue_token(self, request: Request) -> resources.AccessToken:
        return await self._messaging.access.issue(request.body, request.peer)

    async def describe_account(self, request: Request) -> resources.Account:
        return await self._messaging.devices.describe(request.caller)

    async def show_link_code(self, request: Request) -> resources.LinkCode:
        return await self._messaging.devices.show_link_code(request.caller)

    async def link_device(self, request: Request) -> resources.DeviceCredential:
        return await self._messaging.devices.link(request.body, request.peer)

    async def revoke_device(self, request: Request) -> None:
        await self._messaging.devices.revoke(request.caller, request.parameters["device"])

    async def list_device_addresses(self, request: Request) -> resources.DeviceAddresses:
        account = request.parameters["account"]
        return await self._messaging.devices.addresses(request.caller, account)

    async def look_up(self, request: Request) -> resources.LookupResult:
        return await self._messaging.lookups.find(request.caller, request.body)

    async def list_contacts(self, request: Request) -> resources.Contacts:
        return await self._messaging.contacts.list(request.caller)

    async def accept_contact(self, request: Request) -> resources.Contact:
        account = request.parameters["account"]
        return await self._messaging.contacts.accept(request.caller, account)

    async def remove_contact(self, request: Request) -> None:
        await self._messaging.contacts.remove(request.caller, request.parameters["account"])

    async def send_message(self, request: Request) -> resources.SentMessage:
        return await self._messaging.mailbox.send(request.caller, request.body)

    async def show_call(self, request: Request) -> resources.CallRecord:
        return await self._call_desk.record(request.caller, request.parameters["call"])

    async def issue_relay_credentials(self, request: Request) -> resources.RelayCredentials:
        return await self._relays.issue(request.caller, request.parameters["call"])

    async def create_group_call(self, request: Request) -> resources.GroupCall:
        return await self._group_calls.create(request.caller, request.body)

    async def show_group_call(self, request: Request) -> resources.GroupCall:
        return await self._group_calls.show(request.caller, request.parameters["call"])

    async def end_group_call(self, request: Request) -> None:
        await self._group_calls.end(request.caller, request.parameters["call"])

    async def issue_join_ticket(self, request: Request) -> resources.JoinTicket:
        call = request.parameters["call"]
        return await self._group_calls.ticket(request.caller, call, request.body)

    async def remove_group_call_member(self, request: Request) -> None:
        call, account = request.parameters["call"], request.parameters["account"]
        await self._group_calls.remove_member(request.caller, call, account)
