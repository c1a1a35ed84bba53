from ringlined.trial.program import StepFailed
from ringlined.trial.step import WARNING, Figures, Step, take


async def test_a_step_that_passes_gives_its_figures() -> None:
    async def act() -> Figures:
        return {"messages": 5}

    outcome = await take(Step("five", act))
    assert (outcome.step, outcome.passed, outcome.problem) == ("five", True, None)
    assert outcome.figures == {"messages": 5}
    assert outcome.seconds >= 0


async def test_a_step_that_fails_says_why() -> None:
    async def act() -> Figures:
        raise StepFailed("nobody there")

    outcome = await take(Step("five", act))
    assert (outcome.passed, outcome.problem, outcome.figures) == (False, "nobody there", {})


async def test_a_step_that_fails_may_say_what_helps() -> None:
    async def act() -> Figures:
        raise StepFailed("nobody there", "Go and look.")

    assert (await take(Step("five", act))).advice == "Go and look."


async def test_a_step_that_passes_may_warn() -> None:
    async def act() -> Figures:
        return {"days": 3, WARNING: "soon over"}

    outcome = await take(Step("five", act))
    assert (outcome.passed, outcome.warning, outcome.figures) == (True, "soon over", {"days": 3})
