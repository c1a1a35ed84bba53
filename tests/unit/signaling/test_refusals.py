import pytest

from backplane.errors import Overloaded, StorageFull, Unavailable
from messaging.errors import refuse
from ringline.protocol.codec import Malformed
from ringline.protocol.problems import ProblemType
from signaling.refusals import problem_of, slug_of


@pytest.mark.parametrize(
    ("error", "kind", "retry_after_s"),
    [
        (refuse(ProblemType.NOT_FOUND, "x"), ProblemType.NOT_FOUND, None),
        (Malformed(ProblemType.INVALID.describe("x")), ProblemType.INVALID, None),
        (Unavailable("x"), ProblemType.UNAVAILABLE, 1),
        (Overloaded("x", 9), ProblemType.UNAVAILABLE, 9),
        (StorageFull("x"), ProblemType.STORAGE_FULL, 1),
        (KeyError("secret"), ProblemType.INTERNAL, None),
    ],
)
def test_each_fault_has_its_problem(
    error: Exception, kind: ProblemType, retry_after_s: int | None
) -> None:
    problem = problem_of(error)
    assert (problem.type, problem.status) == (kind.uri, kind.status)
    assert problem.retry_after_s == retry_after_s
    assert "secret" not in (problem.detail or "")
    assert slug_of(problem) == kind.slug
