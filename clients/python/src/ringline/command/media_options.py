"""From the words of the options to the media of a call.

The libraries behind it are loaded when a call is near: `listen` alone needs none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ringline.client.call_media import CallMedia, MediaFactory
from ringline.command.media_words import DEVICE, NONE, TEST
from ringline.media.errors import MediaUnavailable

if TYPE_CHECKING:
    from ringline.media.group_peer import GroupPeer

_LOOPBACK: Final = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "127.0.0.1"}


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    video: str
    audio: str | None
    voice: bool
    record: Path | None
    max_height: int | None
    host_addresses: Sequence[str] | None
    relay_only: bool = False

    @property
    def sends(self) -> bool:
        """Whether there is a source at all."""
        return self.audio not in (None, NONE) or self.video != NONE

    def check(self) -> None:
        """Raise MediaUnavailable now rather than when somebody has answered."""
        import ringline.command.media_source  # noqa: F401, PLC0415 - loaded before it rings

        for word in (NONE if self.voice else self.video, self.audio or NONE):
            if (
                word not in (NONE, TEST)
                and not word.startswith(DEVICE)
                and not Path(word).is_file()
            ):
                raise MediaUnavailable(f"{word} is no file")
        if self.record is not None and not self.record.parent.is_dir():
            raise MediaUnavailable(f"{self.record.parent} is no folder")

    def factory(self, server: str, recording: Path | None) -> MediaFactory:
        """Makes the media of one call. Raise MediaUnavailable when called."""
        hosts = self.host_addresses or default_host_addresses(server)

        def make() -> CallMedia:
            from ringline.command.media_source import open_media, open_source  # noqa: PLC0415

            source = open_source(
                self.video, self.audio, voice=self.voice, max_height=self.max_height
            )
            return open_media(
                source, recording, hosts, voice=self.voice, relay_only=self.relay_only
            )

        return make

    def group_peer(self, server: str) -> "GroupPeer":
        """The media of one group call. Raise MediaUnavailable."""
        from ringline.command.media_source import open_source  # noqa: PLC0415
        from ringline.media.group_peer import GroupPeer  # noqa: PLC0415

        source = open_source(self.video, self.audio, voice=self.voice, max_height=self.max_height)
        return GroupPeer(
            source,
            video=not self.voice,
            host_addresses=self.host_addresses or default_host_addresses(server),
            relay_only=self.relay_only,
        )

    def recording(self, number: int) -> Path | None:
        """Of the so manieth call: FILE, FILE-2, FILE-3, …"""
        if self.record is None or number == 1:
            return self.record
        return self.record.with_stem(f"{self.record.stem}-{number}")


def default_host_addresses(server: str) -> list[str] | None:
    """A server on this machine's loopback serves clients that are on it too."""
    address = _LOOPBACK.get(urlsplit(server).hostname or "")
    return None if address is None else [address]
