"""The transposed wiring: who reads a neuron's output. A backward pass gathers along it."""

import numpy as np


def transposed_wiring(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The transposed wiring in CSR form: the consumers of each output. first, second (rows,): the consumers' inputs.

    pointers (rows + 1,): where an output's entries begin. entries (2 rows,): 2 * consumer + operand, operand being 0 or
    1. other_inputs (2 rows,): the consumer's other input. All int32.
    """
    read = np.stack([first, second], axis=1).reshape(-1)
    other = np.stack([second, first], axis=1).reshape(-1)
    order = np.argsort(read, kind="stable")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(read, minlength=len(first)))])
    return pointers.astype(np.int32), order.astype(np.int32), other[order]
