"""The order of the training images: shuffled epochs end to end, cut into equal batches."""

import numpy as np

from lgn.streams import stream_seed


class Batches:
    """Indices of batch i as a function of (seed, i) alone: a resumed run needs no state of it.

    Epochs follow each other without a gap, so no image is dropped and every batch is full.
    """

    def __init__(self, images: int, batch_size: int, seed: int):
        self.images, self.batch_size = images, batch_size
        self.seed = stream_seed(seed, "data_order")
        self._epochs: dict[int, np.ndarray] = {}

    def __getitem__(self, iteration: int) -> np.ndarray:
        """(batch_size,) int64 indices of the batch of one iteration."""
        start = iteration * self.batch_size
        first, last = start // self.images, (start + self.batch_size - 1) // self.images
        if first == last:
            offset = start - first * self.images
            return self._epoch(first)[offset : offset + self.batch_size]
        run = np.concatenate([self._epoch(epoch) for epoch in range(first, last + 1)])
        offset = start - first * self.images
        return run[offset : offset + self.batch_size]

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.images)
            # Only neighbours of the current epoch can be asked for again.
            self._epochs = {e: p for e, p in self._epochs.items() if e >= epoch - 1} | {epoch: order}
        return self._epochs[epoch]
