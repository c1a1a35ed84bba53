"""Whose fault it is.

    Refused      the client's, or the moment's: a problem document, nothing has changed
    TransportsFull (transport.py)   ours, for now
    WorldError (backplane.errors)   the registry's

What is neither is a mistake of ours: it ends the connection it happened on.
"""

from ringline.protocol.problems import Problem, ProblemType


class Refused(Exception):
    """`problem` goes to the client as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem


def invalid(detail: str) -> Refused:
    return Refused(ProblemType.INVALID.describe(detail))
