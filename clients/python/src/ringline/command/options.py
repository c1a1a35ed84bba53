"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        envvar="RINGLINE_PROFILE",
        metavar="NAME|DIR",
        help="Whose device this is: a name, or a folder (with a slash).",
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="RINGLINE_SERVER",
        metavar="URL",
        help="http:// or https:// and the host; remembered in the profile.",
        show_default="http://127.0.0.1:8080",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object per line on standard output.")
]
NameOption = Annotated[str, typer.Option("--name", help="What this device is called.")]
VideoOption = Annotated[
    str,
    typer.Option(
        "--video",
        metavar="FILE|test|none|device:NAME",
        help="The pictures to send. A file's sound goes with them unless --audio says otherwise.",
    ),
]
AudioOption = Annotated[
    str | None,
    typer.Option(
        "--audio",
        metavar="FILE|test|none|device:NAME",
        help="The sound to send.",
        show_default="as --video",
    ),
]
VoiceOption = Annotated[bool, typer.Option("--voice", help="A call without pictures.")]
RecordOption = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Keep what is received, as Matroska (.mkv)."),
]
HeightOption = Annotated[
    int | None,
    typer.Option("--max-height", min=16, max=4320, help="Make taller pictures smaller."),
]
HostAddressOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host-address",
        metavar="IP",
        help="Be reachable for media at this address alone (repeatable).",
        show_default="all interfaces; 127.0.0.1 when the server is there",
    ),
]
RelayOnlyOption = Annotated[
    bool,
    typer.Option(
        "--relay-only", help="Be reached through the server's relay alone; hides one's addresses."
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="RINGLINE_CA_FILE",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Trust the certificates (PEM) in this file as well; before the command.",
    ),
]
