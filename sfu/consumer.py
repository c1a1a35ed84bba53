"""One producer's stream as one subscriber gets it."""

from dataclasses import dataclass

from sfu.codec import Codec
from sfu.plane import ConsumerRoute
from sfu.producer import Producer


@dataclass(slots=True, eq=False)
class Consumer:
    id: int
    producer: Producer
    peer: int
    mid: str
    """In the subscriber's descriptions."""
    codec: Codec
    """The producer's, under the subscriber's payload type."""
    ssrc: int
    first_sequence: int
    mid_extension: int
    audio_level_extension: int
    live: bool = False
    """The plane has it."""

    def route(self) -> ConsumerRoute:
        carried = {}
        if self.producer.audio_level_extension and self.audio_level_extension:
            carried[self.producer.audio_level_extension] = self.audio_level_extension
        return ConsumerRoute(
            consumer=self.id,
            peer=self.peer,
            ssrc=self.ssrc,
            payload_types={self.producer.codec.payload_type: self.codec.payload_type},
            first_sequence=self.first_sequence,
            mid=self.mid.encode(),
            mid_extension=self.mid_extension,
            extensions=carried,
        )
