"""What can go wrong, by whose fault it is.

RinglineError
├── UsageError          the caller's
│   ├── NotRegistered   this profile belongs to no device (any more)
│   ├── ProfileInUse    another process is connected as this device
│   ├── ContentTooLarge
│   └── OutboxFull      too much waits to be sent
├── ProfileDamaged      the world's: the profile cannot be read or written
├── Refused             the server said no, and why
├── Unreachable         the world's: no answer, or none in time
│   └── DeadlinePassed
├── Disconnected        the server ended this device's connections for good
├── CallFailed          a call that did not come about, or not to its end
└── ProtocolBroken      the server said what the protocol does not know
"""

from ringline.protocol.problems import Problem


class RinglineError(Exception):
    """Any of the below. The text is for a person and holds nothing secret."""


class UsageError(RinglineError):
    pass


class NotRegistered(UsageError):
    def __init__(self, text: str = "this profile is not registered: register or link it") -> None:
        super().__init__(text)


class ProfileInUse(UsageError):
    pass


class ContentTooLarge(UsageError):
    pass


class OutboxFull(UsageError):
    pass


class ProfileDamaged(RinglineError):
    pass


class Refused(RinglineError):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title + (f": {problem.detail}" if problem.detail else ""))
        self.problem = problem

    @property
    def name(self) -> str:
        """Of the table in docs/protocol.md, `not-found` for one."""
        return self.problem.type.removeprefix("/problems/")


class Unreachable(RinglineError):
    pass


class DeadlinePassed(Unreachable):
    pass


class Disconnected(RinglineError):
    """`reason`: device-revoked, account-replaced, replaced or credential-refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the connection has ended for good: {reason}")
        self.reason = reason


class CallFailed(RinglineError):
    pass


class ProtocolBroken(RinglineError):
    pass
