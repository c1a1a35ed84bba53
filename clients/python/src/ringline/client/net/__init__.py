"""Where the SDK touches the network, threads and time."""
