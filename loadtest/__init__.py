"""Load, crashes and figures: the clients and books that the proofs and measurements share."""
