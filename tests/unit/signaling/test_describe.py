from pathlib import Path

import pytest

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from signaling.describe import documents, main

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_documents_in_docs_are_the_current_ones(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == documents()[name], "stale: run python -m signaling.describe docs/"


def test_it_writes_what_it_says(tmp_path: Path) -> None:
    main(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == set(documents())


@pytest.mark.parametrize("problem", list(ProblemType), ids=lambda problem: problem.slug)
def test_the_protocol_page_has_every_problem(problem: ProblemType) -> None:
    rows = (DOCS / "protocol.md").read_text(encoding="utf-8").splitlines()
    assert any(row.startswith(f"| `{problem.slug}` | {problem.status} |") for row in rows)


@pytest.mark.parametrize("code", list(CloseCode), ids=lambda code: code.name)
def test_the_protocol_page_has_every_close_code(code: CloseCode) -> None:
    rows = (DOCS / "protocol.md").read_text(encoding="utf-8").splitlines()
    assert any(row.startswith(f"| {code.value} |") for row in rows)
