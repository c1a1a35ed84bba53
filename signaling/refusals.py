"""From whatever a service raised to what the client is told, in one place for both transports."""

from typing import Final

from backplane.errors import Overloaded, StorageFull, Unavailable, WorldError
from messaging.errors import Refused
from ringline.protocol.codec import Malformed
from ringline.protocol.problems import Problem, ProblemType

RETRY_AFTER_S: Final = 1

Expected = (Refused, Malformed, WorldError)
"""Everything else is a mistake of ours."""


def problem_of(error: Exception) -> Problem:
    """INTERNAL, without a detail, for what is not expected."""
    if isinstance(error, Refused | Malformed):
        return error.problem
    if isinstance(error, StorageFull):
        return ProblemType.STORAGE_FULL.describe(retry_after_s=RETRY_AFTER_S)
    if isinstance(error, Overloaded):
        return ProblemType.UNAVAILABLE.describe(retry_after_s=error.retry_after_s)
    if isinstance(error, Unavailable):
        return ProblemType.UNAVAILABLE.describe(retry_after_s=RETRY_AFTER_S)
    return ProblemType.INTERNAL.describe()


def slug_of(problem: Problem) -> str:
    """For counting: the last part of the type."""
    return problem.type.rpartition("/")[2]
