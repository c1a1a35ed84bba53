"""How many connections there may be: in all, and by one address before anybody logged in on them."""

from collections import Counter


class Admission:
    """Names of addresses are those of `client_address.budget_key`."""

    def __init__(self, connections_max: int, anonymous_per_address_max: int) -> None:
        self._connections_max = connections_max
        self._anonymous_per_address_max = anonymous_per_address_max
        self._anonymous: Counter[str] = Counter()
        self.open = 0

    def connect(self) -> bool:
        """One more TCP connection; False: there is no room. Ended by `disconnect`."""
        if self.open >= self._connections_max:
            return False
        self.open += 1
        return True

    def disconnect(self) -> None:
        self.open -= 1

    def enter(self, address: str) -> bool:
        """One more on which nobody logged in; False: this address has its share. Ended by `leave`."""
        if self._anonymous.get(address, 0) >= self._anonymous_per_address_max:
            return False
        self._anonymous[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._anonymous[address] -= 1
        if self._anonymous[address] <= 0:
            del self._anonymous[address]

    def anonymous(self, address: str) -> int:
        return self._anonymous.get(address, 0)
