"""Opus for calls: 48 kHz stereo, 96 kbit/s, 20 ms, any sound.

aiortc's own encoder asks libopus for "voip", which cuts low frequencies off as hum: half of the
energy of film sound or music goes with them. This one asks for "audio".
"""

from aiortc.codecs.opus import OpusEncoder as VoiceEncoder


class OpusEncoder(VoiceEncoder):
    """As aiortc's, for all sound. The codec opens at its first frame, so the option still counts."""

    def __init__(self) -> None:
        super().__init__()
        self.codec.options = {"application": "audio"}
