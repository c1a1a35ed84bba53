"""What a relay counts; read whenever the metrics page is made."""

from collections import Counter


class Counts:
    def __init__(self) -> None:
        self.packets: Counter[str] = Counter(to_peer=0, to_client=0)
        self.octets: Counter[str] = Counter(to_peer=0, to_client=0)
        """Of payload, by direction."""
        self.dropped: Counter[str] = Counter()
        """Datagrams that went nowhere, by reason."""
        self.refused: Counter[str] = Counter()
        """Requests, by error code."""
        self.allocations: Counter[str] = Counter()
        """By what became of them: made, deleted, expired."""
