"""Runs one command's work: signals, errors, exit codes."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable

import typer

from ringline.client.errors import (
    CallFailed,
    Disconnected,
    NotRegistered,
    Refused,
    RinglineError,
    Unreachable,
    UsageError,
)
from ringline.client.profile import BadProfileName
from ringline.command.exit_codes import ExitCode
from ringline.command.output import Output
from ringline.media.errors import MediaError

Work = Callable[[Output, asyncio.Event], Awaitable[ExitCode]]
"""The event: somebody wants it to end (Ctrl-C, SIGTERM)."""


class Failed(Exception):
    """The command's own failure, with its code."""

    def __init__(self, text: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(text)
        self.code = code


def run(work: Work, as_json: bool, *, ends_itself: bool = False) -> None:
    """Raise typer.Exit. `ends_itself`: the work looks at the event, and ends well by it; else it is
    cut off and has failed."""
    output = Output(as_json)
    try:
        code = asyncio.run(_run(work, output, ends_itself))
    except (RinglineError, MediaError, Failed) as error:
        code = exit_code(error)
        problem = error.name if isinstance(error, Refused) else None
        output.event("error", message=str(error), problem=problem, exit_code=int(code))
        output.complain(_advice(error))
    except ModuleNotFoundError as error:
        code = ExitCode.FAILED
        output.complain(f"{error.name} is missing: pip install 'ringline[all]'")
    except BrokenPipeError:
        # Whoever read our output has gone; nor is there anybody to tell.
        sys.stderr.close()
        code = ExitCode.FAILED
    raise typer.Exit(int(code))


async def _run(work: Work, output: Output, ends_itself: bool) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work(output, stop))

    def interrupt() -> None:
        if stop.is_set() or not ends_itself:
            task.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        with contextlib.suppress(BrokenPipeError):
            output.complain("interrupted")
        return ExitCode.FAILED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def exit_code(error: Exception) -> ExitCode:
    match error:
        case Failed():
            return error.code
        case NotRegistered() | Disconnected():
            return ExitCode.NOT_REGISTERED
        case Refused() if error.name == "credential-refused":
            return ExitCode.NOT_REGISTERED
        case Refused():
            return ExitCode.REFUSED
        case Unreachable():
            return ExitCode.UNREACHABLE
        case BadProfileName():
            return ExitCode.USAGE
        case CallFailed() | MediaError():
            return ExitCode.FAILED
        case UsageError():
            return ExitCode.FAILED
    return ExitCode.FAILED


def _advice(error: Exception) -> str:
    match error:
        case NotRegistered():
            return f"{error}\n  ringline register +NUMBER"
        case Refused() if error.problem.retry_after_s:
            return f"{error} (try again in {error.problem.retry_after_s} s)"
    return str(error)
