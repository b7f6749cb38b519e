"""All randomness of a run: named seed streams, the order of the images, and the keys of the noise.

Nothing here has state: a resumed run, another backend and another number of threads draw the same numbers.
"""

import hashlib

import numpy as np

STREAMS = ("wiring", "logits", "noise", "data_order", "evaluation_noise", "labels", "fresh_neurons")

MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
GOLDEN32, GOLDEN64 = 0x9E3779B9, 0x9E3779B97F4A7C15
# Multipliers of a 32-bit integer finaliser of low bias (Wellons, hash-prospector).
MIX_1, MIX_2 = 0x21F0AAAD, 0xD35A2D97


def stream_seed(seed: int, stream: str) -> int:
    """64-bit seed of one named stream of a run. Raises KeyError for a name not in STREAMS.

    Streams are independent. So two methods at equal seed share wiring, initial logits and batches, and can be compared
    pairwise.
    """
    if stream not in STREAMS:
        raise KeyError(stream)
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest(), "little")


class Batches:
    """Indices of batch i of the training images: a function of (seed, i) only.

    Batches cross the border between shuffled epochs, so no image is dropped and every batch is full.
    """

    def __init__(self, images: int, batch_size: int, seed: int):
        self.images, self.batch_size = images, batch_size
        self.seed = stream_seed(seed, "data_order")
        self._epochs: dict[int, np.ndarray] = {}

    def __getitem__(self, iteration: int) -> np.ndarray:
        """(batch_size,) int64 indices of one iteration's batch."""
        start = iteration * self.batch_size
        first, last = start // self.images, (start + self.batch_size - 1) // self.images
        offset = start - first * self.images
        if first == last:
            return self._epoch(first)[offset : offset + self.batch_size]
        epochs = np.concatenate([self._epoch(epoch) for epoch in range(first, last + 1)])
        return epochs[offset : offset + self.batch_size]

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.images)
            # Only the current epoch and its neighbours can be needed again.
            self._epochs = {e: p for e, p in self._epochs.items() if e >= epoch - 1} | {epoch: order}
        return self._epochs[epoch]


def layer_key(seed: int, step: int, layer: int) -> tuple[int, int]:
    """Two 32-bit keys for the noise of one layer at one step. seed: of a stream."""
    key = splitmix64(splitmix64(splitmix64(seed) + step) + layer)
    return key & MASK32, key >> 32


def splitmix64(x):
    """The next 64-bit number of Steele et al. 2014. x: an int, a NumPy array of uint64, or in a kernel a uint64."""
    x = (x + GOLDEN64) & _MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return x ^ (x >> 31)
