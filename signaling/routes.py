"""The REST interface as one table: the gateway answers from it and the OpenAPI document is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ringline.protocol import resources
from ringline.protocol.problems import ProblemType as P
from ringline.protocol.types import AccountId, CallId, DeviceNumber, Token

PARAMETERS: Final[Mapping[str, Any]] = {
    "account": AccountId,
    "call": CallId,
    "device": DeviceNumber,
    "registration": Token,
}
SEGMENT_CHARACTERS_MAX: Final = 128

ALWAYS: Final = (P.MALFORMED, P.RATE_LIMITED, P.INTERNAL, P.UNAVAILABLE)
WITH_BODY: Final = (P.INVALID, P.TOO_LARGE, P.MEDIA_TYPE)
WITH_WRITING: Final = (P.STORAGE_FULL,)


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is that of the method of `signaling.operations.Operations` that does it."""

    name: str
    method: str
    path: str
    summary: str
    status: int
    answer: type | None
    body: type | None = None
    authenticated: bool = True
    problems: tuple[P, ...] = ()
    """Beyond those that the shape of the route implies."""

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(part[1:-1] for part in self.segments if part.startswith("{"))

    @property
    def all_problems(self) -> tuple[P, ...]:
        """Without repeats, by status."""
        listed = [*self.problems, *ALWAYS]
        if self.method != "GET":
            listed += WITH_WRITING
        if self.body is not None:
            listed += WITH_BODY
        if self.authenticated:
            listed.append(P.UNAUTHENTICATED)
        if self.parameters:
            listed.append(P.NOT_FOUND)
        return tuple(sorted(dict.fromkeys(listed), key=lambda problem: problem.status))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "start_registration",
        "POST",
        "/v1/registrations",
        "Register a phone number: a code is sent to it",
        201,
        resources.Registration,
        resources.NewRegistration,
        authenticated=False,
        problems=(P.NUMBER_INVALID,),
    ),
    Route(
        "resend_code",
        "POST",
        "/v1/registrations/{registration}/code",
        "Send a new code; the one before is dead then",
        200,
        resources.Registration,
        authenticated=False,
    ),
    Route(
        "verify_registration",
        "POST",
        "/v1/registrations/{registration}/device",
        "Show the code: the number's account is yours, with this device alone",
        201,
        resources.DeviceCredential,
        resources.Verification,
        authenticated=False,
        problems=(P.CODE_REFUSED,),
    ),
    Route(
        "issue_token",
        "POST",
        "/v1/tokens",
        "Buy an access token with the device credential",
        201,
        resources.AccessToken,
        resources.NewAccessToken,
        authenticated=False,
        problems=(P.CREDENTIAL_REFUSED,),
    ),
    Route(
        "describe_account",
        "GET",
        "/v1/account",
        "One's own account and its devices",
        200,
        resources.Account,
    ),
    Route(
        "show_link_code",
        "POST",
        "/v1/devices/link-codes",
        "A code by which another device joins the account",
        201,
        resources.LinkCode,
        problems=(P.DEVICES_FULL,),
    ),
    Route(
        "link_device",
        "POST",
        "/v1/devices",
        "Join the account of the device that shows the code",
        201,
        resources.DeviceCredential,
        resources.LinkedDevice,
        authenticated=False,
        problems=(P.CODE_REFUSED, P.DEVICES_FULL),
    ),
    Route(
        "revoke_device",
        "DELETE",
        "/v1/devices/{device}",
        "Remove a device of one's own account, for good",
        204,
        None,
    ),
    Route(
        "list_device_addresses",
        "GET",
        "/v1/accounts/{account}/devices",
        "The devices that a message to this account must list",
        200,
        resources.DeviceAddresses,
    ),
    Route(
        "look_up",
        "POST",
        "/v1/lookups",
        "Which of these phone numbers have accounts",
        200,
        resources.LookupResult,
        resources.Lookup,
        problems=(P.NUMBER_INVALID,),
    ),
    Route(
        "list_contacts",
        "GET",
        "/v1/contacts",
        "Whom one has accepted, and who asks",
        200,
        resources.Contacts,
    ),
    Route(
        "accept_contact",
        "PUT",
        "/v1/contacts/{account}",
        "Accept: this account may ring and see one's presence",
        200,
        resources.Contact,
    ),
    Route(
        "remove_contact",
        "DELETE",
        "/v1/contacts/{account}",
        "Remove: this account rings no more",
        204,
        None,
    ),
    Route(
        "send_message",
        "POST",
        "/v1/messages",
        "The `send` frame as a request; answered after the durable commit",
        201,
        resources.SentMessage,
        resources.NewMessage,
        problems=(
            P.DEVICES_DIFFER,
            P.SEQUENCE,
            P.ID_REUSED,
            P.UNSEALED_REFUSED,
            P.FORBIDDEN,
            P.NOT_FOUND,
        ),
    ),
    Route(
        "show_call",
        "GET",
        "/v1/calls/{call}",
        "The record of a call that one's account took part in",
        200,
        resources.CallRecord,
    ),
    Route(
        "issue_relay_credentials",
        "POST",
        "/v1/calls/{call}/relay-credentials",
        "Credentials for the relays (TURN), for a call that one's account takes part in or is about to place",
        201,
        resources.RelayCredentials,
        problems=(P.CALL_STATE,),
    ),
    Route(
        "create_group_call",
        "POST",
        "/v1/group-calls",
        "Make a group call; the same id again answers the same call",
        201,
        resources.GroupCall,
        resources.NewGroupCall,
        problems=(P.ID_REUSED,),
    ),
    Route(
        "show_group_call",
        "GET",
        "/v1/group-calls/{call}",
        "A group call that one may join",
        200,
        resources.GroupCall,
    ),
    Route(
        "end_group_call",
        "DELETE",
        "/v1/group-calls/{call}",
        "End a group call of one's own, for everybody",
        204,
        None,
        problems=(P.FORBIDDEN,),
    ),
    Route(
        "issue_join_ticket",
        "POST",
        "/v1/group-calls/{call}/tickets",
        "A ticket to join with: by membership, or by the link's token, which makes one a member",
        201,
        resources.JoinTicket,
        resources.NewJoinTicket,
        problems=(P.FORBIDDEN, P.CALL_STATE),
    ),
    Route(
        "remove_group_call_member",
        "DELETE",
        "/v1/group-calls/{call}/members/{account}",
        "Remove an account from a group call of one's own, for good",
        204,
        None,
        problems=(P.FORBIDDEN, P.INVALID),
    ),
)


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WrongMethod:
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoRoute:
    pass


@dataclass(slots=True)
class _Level:
    """One step of a path: the fixed words, the parameter, and what ends here by method."""

    words: dict[str, "_Level"] = field(default_factory=dict)
    parameter: "tuple[str, _Level] | None" = None
    routes: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """A word wins over a parameter in the same place."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._root = _Level()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        level = self._root
        for part in route.segments:
            if not part.startswith("{"):
                level = level.words.setdefault(part, _Level())
                continue
            if level.parameter is None:
                level.parameter = (part[1:-1], _Level())
            level = level.parameter[1]
        level.routes[route.method] = route

    def match(self, method: str, path: str) -> Match | WrongMethod | NoRoute:
        """`path`: percent-decoded, without the query. A parameter out of its bounds is no route:
        nothing can be there."""
        level, parameters = self._root, {}
        if not path.startswith("/"):
            return NoRoute()
        for part in path[1:].split("/"):
            step = self._step(level, part)
            if step is None:
                return NoRoute()
            level, named = step
            parameters.update(named)
        route = level.routes.get(method)
        if route is not None:
            return Match(route, parameters)
        return WrongMethod(tuple(sorted(level.routes))) if level.routes else NoRoute()

    @staticmethod
    def _step(level: _Level, part: str) -> tuple[_Level, dict[str, Any]] | None:
        word = level.words.get(part)
        if word is not None:
            return word, {}
        if level.parameter is None or len(part) > SEGMENT_CHARACTERS_MAX:
            return None
        name, beyond = level.parameter
        try:
            value = msgspec.convert(part, PARAMETERS[name], strict=False)
        except msgspec.ValidationError:
            return None
        if isinstance(value, int) and str(value) != part:
            return None  # `1.0` and `01` are no second names of 1
        return beyond, {name: value}
