"""Whose certificates are taken for a server's, over https and wss."""

import os
import ssl
from typing import Final

from ringline.client.errors import UsageError

VARIABLE: Final = "RINGLINE_CA_FILE"


def trust(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext | None:
    """Those of this machine's authorities, and of the ones (PEM) in the file; None: without a file, or
    one in RINGLINE_CA_FILE, there is nothing to add. Raise UsageError."""
    path = ca_file if ca_file is not None else os.environ.get(VARIABLE)
    if not path:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"{os.fspath(path)}: {reason}") from None
    return context
