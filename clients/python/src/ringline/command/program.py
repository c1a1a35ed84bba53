"""The command line of `ringline`. What a command does is imported when it runs: help is quick."""

import os
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from ringline.command.options import (
    AudioOption,
    CaFileOption,
    HeightOption,
    HostAddressOption,
    JsonOption,
    NameOption,
    ProfileOption,
    RecordOption,
    RelayOnlyOption,
    ServerOption,
    VideoOption,
    VoiceOption,
)

DEFAULT_NAME = "ringline"
_EPILOG = (
    "Ends with 0: done, 1: it did not succeed, 2: wrong usage, 3: not registered (any more), "
    "4: the server refused, 5: unreachable or not in time."
)

program = typer.Typer(
    name="ringline",
    help="Messages and calls on a Ringline server. Begin with: ringline register +NUMBER",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ringline {metadata.version('ringline')}")
        raise typer.Exit


@program.callback()
def everything(
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
    ca_file: CaFileOption = None,
) -> None:
    """What every command has."""
    if ca_file is not None:
        # Where each command's client looks for it.
        os.environ["RINGLINE_CA_FILE"] = str(ca_file)


@program.command()
def register(
    number: Annotated[
        str | None, typer.Argument(help="A phone number with a leading +, in any spelling.")
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="The code sent to the number; else asked for.")
    ] = None,
    link: Annotated[
        str | None, typer.Option("--link", metavar="CODE", help="Join an account instead.")
    ] = None,
    credential: Annotated[
        Path | None,
        typer.Option(
            "--credential",
            metavar="FILE",
            help="Be a device that the operator has made; the file holds the answer to that.",
        ),
    ] = None,
    name: NameOption = DEFAULT_NAME,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a number, or this device with an account that has one.

    Registering a number again removes the account's other devices.
    """
    from ringline.command import register as work  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    if [number, link, credential].count(None) != 2:
        raise typer.BadParameter("give a number, or --link and the code that a device shows")
    if credential is not None:
        run(lambda output, _: work.register_adopted(output, profile, server, credential), as_json)
    elif link is not None:
        run(lambda output, _: work.register_linked(output, profile, server, link, name), as_json)
    elif number is not None:
        run(
            lambda output, _: work.register_number(output, profile, server, number, code, name),
            as_json,
        )


@program.command()
def link(
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a code by which another device joins this account; wait until it has."""
    from ringline.command.devices import show_link_code  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    run(lambda output, _: show_link_code(output, profile, server), as_json)


@program.command()
def devices(
    revoke: Annotated[
        int | None,
        typer.Option("--revoke", metavar="N", min=1, max=127, help="Remove this device."),
    ] = None,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the account's devices, or remove one."""
    from ringline.command import devices as work  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    if revoke is None:
        run(lambda output, _: work.list_devices(output, profile, server), as_json)
    else:
        run(lambda output, _: work.revoke_device(output, profile, server, revoke), as_json)


@program.command()
def send(
    to: Annotated[str, typer.Argument(help="A number with a leading +, or an account.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    wait: Annotated[
        str, typer.Option("--wait", metavar="sent|delivered|read", help="How far it must be.")
    ] = "sent",
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds to wait for that.")
    ] = 30.0,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message. One that could not be sent in time is sent by the next command."""
    from ringline.command.run import run  # noqa: PLC0415
    from ringline.command.send import Wait, send_text  # noqa: PLC0415

    try:
        goal = Wait(wait)
    except ValueError:
        raise typer.BadParameter("--wait takes sent, delivered or read") from None
    run(
        lambda output, _: send_text(output, profile, server, to, text, goal, timeout_s),
        as_json,
    )


@program.command()
def listen(
    for_s: Annotated[
        float | None, typer.Option("--for", min=0.1, metavar="SECONDS", help="End after that.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="End after so many messages.")
    ] = None,
    calls: Annotated[
        int | None, typer.Option("--calls", min=1, help="End after so many calls have ended.")
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="Say of every message that it is read.")] = (
        False
    ),
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept everybody who writes as a contact.")
    ] = False,
    answer: Annotated[
        bool,
        typer.Option(
            "--answer", "--auto-answer", help="Answer calls, and accept whoever asks to call."
        ),
    ] = False,
    video: VideoOption = "test",
    audio: AudioOption = None,
    voice: VoiceOption = False,
    record: RecordOption = None,
    max_height: HeightOption = None,
    host_address: HostAddressOption = None,
    relay_only: RelayOnlyOption = False,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show messages, receipts and calls as they come, until Ctrl-C."""
    from ringline.command.listen import Wishes  # noqa: PLC0415
    from ringline.command.listen import listen as work  # noqa: PLC0415
    from ringline.command.media_options import MediaOptions  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    wishes = Wishes(
        for_s=for_s,
        messages=count,
        calls=calls,
        read=read,
        accept=accept or answer,
        answer=answer,
        media=MediaOptions(
            video=video,
            audio=audio,
            voice=voice,
            record=record,
            max_height=max_height,
            host_addresses=host_address,
            relay_only=relay_only,
        ),
    )
    run(
        lambda output, stop: work(output, stop, profile, server, wishes),
        as_json,
        ends_itself=True,
    )


@program.command()
def call(
    to: Annotated[str, typer.Argument(help="A number with a leading +, or an account.")],
    video: VideoOption = "test",
    audio: AudioOption = None,
    voice: VoiceOption = False,
    record: RecordOption = None,
    max_height: HeightOption = None,
    duration_s: Annotated[
        float | None,
        typer.Option("--duration", min=0.1, metavar="SECONDS", help="Hang up after that."),
    ] = None,
    ring_s: Annotated[
        int, typer.Option("--ring", min=1, max=120, metavar="SECONDS", help="Let it ring so long.")
    ] = 45,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask/--no-ask", help="Write to somebody who has not accepted you, and wait for it."
        ),
    ] = True,
    host_address: HostAddressOption = None,
    relay_only: RelayOnlyOption = False,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call somebody, and say afterwards what it was like.

    Hangs up when what is sent has come to its end, after --duration, or by Ctrl-C.
    """
    from ringline.command.call import call_person  # noqa: PLC0415
    from ringline.command.media_options import MediaOptions  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    media = MediaOptions(
        video=video,
        audio=audio,
        voice=voice,
        record=record,
        max_height=max_height,
        host_addresses=host_address,
        relay_only=relay_only,
    )
    run(
        lambda output, stop: call_person(
            output,
            stop,
            profile,
            server,
            to,
            media,
            duration_s=duration_s,
            ring_s=ring_s,
            ask=ask,
        ),
        as_json,
        ends_itself=True,
    )


@program.command()
def join(
    link: Annotated[
        str | None, typer.Argument(help="A link to a group call, or its id; without: a new call.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="What the others are shown.", show_default="nothing")
    ] = "",
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member", metavar="NUMBER", help="May join a new call without its link (repeatable)."
        ),
    ] = None,
    video: VideoOption = "test",
    audio: AudioOption = None,
    voice: VoiceOption = False,
    max_height: HeightOption = None,
    duration_s: Annotated[
        float | None,
        typer.Option("--duration", min=0.1, metavar="SECONDS", help="Leave after that."),
    ] = None,
    host_address: HostAddressOption = None,
    relay_only: RelayOnlyOption = False,
    profile: ProfileOption = "default",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join a group call, or make one and show its link; say afterwards what came of whom.

    Leaves when what is sent has come to its end, after --duration, or by Ctrl-C.
    """
    from ringline.command.join import join_call  # noqa: PLC0415
    from ringline.command.media_options import MediaOptions  # noqa: PLC0415
    from ringline.command.run import run  # noqa: PLC0415

    media = MediaOptions(
        video=video,
        audio=audio,
        voice=voice,
        record=None,
        max_height=max_height,
        host_addresses=host_address,
        relay_only=relay_only,
    )
    run(
        lambda output, stop: join_call(
            output,
            stop,
            profile,
            server,
            link,
            media,
            name=name,
            members=member or [],
            duration_s=duration_s,
        ),
        as_json,
        ends_itself=True,
    )
