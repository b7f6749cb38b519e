"""Named seed streams: one run seed decides wiring, logits, noise and data order independently of each other.

Two methods at equal seed therefore share wiring, initial logits and batches (they pair), whatever either draws.
"""

import hashlib

STREAMS = ("wiring", "logits", "noise", "data_order", "evaluation_noise", "labels", "fresh_neurons")


def stream_seed(seed: int, stream: str) -> int:
    """64-bit seed of one named stream of a run. Raises KeyError for a name not in STREAMS."""
    if stream not in STREAMS:
        raise KeyError(stream)
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest(), "little")
