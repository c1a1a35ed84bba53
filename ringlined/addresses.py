"""Where a stack is reached, as seen from this machine."""

from ringlined.config import Config


def url(config: Config) -> str:
    """For clients."""
    gateway = config.gateway
    scheme = "https" if gateway.certificate_file else "http"
    return f"{scheme}://{reachable(gateway.host)}:{gateway.port}"


def admin_urls(config: Config) -> dict[str, str]:
    """Health and metrics, by role."""
    places = {
        "gateway": (config.gateway.admin_host, config.gateway.admin_port),
        "sfu": (config.sfu.admin_host, config.sfu.admin_port),
        "turn": (config.relay.admin_host, config.relay.admin_port),
    }
    return {name: f"http://{reachable(host)}:{port}" for name, (host, port) in places.items()}


def media_addresses(config: Config) -> dict[str, str]:
    """`host:port` of the UDP sockets, by role."""
    return {
        "sfu": f"{reachable(config.sfu.media_host)}:{config.sfu.media_port}",
        "turn": f"{reachable(config.relay.host)}:{config.relay.port}",
    }


def reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
