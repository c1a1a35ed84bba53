"""The hops of an examination, by the names that it prints. In this order."""

import enum


class HopName(enum.StrEnum):
    CONFIGURATION = "configuration"
    DISK = "disk"
    REDIS = "redis"
    GATEWAY = "gateway"
    CERTIFICATE = "certificate"
    ACCOUNTS = "accounts"
    RELAY = "relay"
    RELAY_PORT = "relay port"
    RELAY_CREDENTIALS = "relay credentials"
    SFU = "sfu"
    MESSAGE = "message"
    CALL = "call through the relay"
    GROUP_CALL = "group call"
