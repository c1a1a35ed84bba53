"""Whose fault it is, as messaging tells it.

Refused          the peer's: what it asked for is not allowed or not possible; `problem` says why
backplane.errors the world's: WorldError and what hangs below it
AssertionError   ours
"""

from ringline.protocol.problems import Problem, ProblemType


class Refused(Exception):
    """Caught once, at the edge, and told to the client as a problem document (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.type)
        self.problem = problem


def refuse(kind: ProblemType, detail: str | None = None) -> Refused:
    return Refused(kind.describe(detail))


def rate_limited(retry_after_s: int) -> Refused:
    return Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=max(1, retry_after_s)))
