"""The discrete network on packed bits: 512 images per vector; neurons sorted by gate, so a gate is decoded once.

Shapes: bits (rows, words) uint64, words a multiple of 8, image 64 w + t in bit t of word w.
"""

import numpy as np

from lgn.kernels.cpu.lanes import LANES, all_bits, inlined, kernel, select, splat
from lgn.kernels.cpu.memory import at, load_mask, load_words, store, store_words

f32 = np.float32

BLOCK = 8
"""Words per pass through the network: one vector; two layers stay in the second cache."""

PLANES = 32
"""Bits of a counter: enough for any class."""


@kernel
def evaluate_block(segments, first, second, bits, block, rows):
    """Evaluates all layers for one block of 8 words of bits; leaves the last layer's outputs in rows[depth - 1 & 1].

    segments (n, 5) int32: layer, gate, start, stop, row. Neurons start to stop, counted over all layers, share the
    gate and fill the layer's rows from `row` on. first, second (neurons,) int32: rows of the layer before, or of bits.
    rows (2, most neurons of a layer, 8): two layers, alternately. Bound by reading two random rows per neuron.
    """
    words = bits.shape[1]
    half = rows.shape[1] * BLOCK
    for s in range(segments.shape[0]):
        layer, gate = segments[s, 0], segments[s, 1]
        source, target = ((layer + 1) & 1) * half, (layer & 1) * half
        # The gate's coefficients modulo 2 (its algebraic normal form) as masks.
        t00, t01, t10, t11 = (gate >> 3) & 1, (gate >> 2) & 1, (gate >> 1) & 1, gate & 1
        c0, c1, c2 = all_bits(t00), all_bits(t00 ^ t10), all_bits(t00 ^ t01)
        c3 = all_bits(t00 ^ t01 ^ t10 ^ t11)
        place = target + BLOCK * segments[s, 4]
        for j in range(segments[s, 2], segments[s, 3]):
            if layer == 0:
                a = load_words(bits, at(first, j) * words + block * BLOCK)
                b = load_words(bits, at(second, j) * words + block * BLOCK)
            else:
                a = load_words(rows, source + at(first, j) * BLOCK)
                b = load_words(rows, source + at(second, j) * BLOCK)
            store_words(rows, place, c0 ^ (c1 & a) ^ (c2 & b) ^ (c3 & a & b))
            place += BLOCK


@inlined
def full_adder(x, y, z):
    """Sum and carry of three bits, for each bit position."""
    half = x ^ y
    return half ^ z, (x & y) ^ (half & z)


@kernel
def count_ones(rows, start, count, planes):
    """Counts the ones in `count` rows from word `start`, for each bit position; bit k of the count goes to planes[k].

    count: a multiple of 8. Full adders reduce eight rows to one carry of weight 8 before it reaches the higher planes.
    Returns how many planes may be nonzero. Bound by reading the rows.
    """
    used = 3
    while count >> used:
        store_words(planes, BLOCK * used, all_bits(0))
        used += 1
    ones, twos, fours = all_bits(0), all_bits(0), all_bits(0)
    for row in range(start, start + BLOCK * count, 8 * BLOCK):
        ones, two_a = full_adder(ones, load_words(rows, row), load_words(rows, row + 8))
        ones, two_b = full_adder(ones, load_words(rows, row + 16), load_words(rows, row + 24))
        ones, two_c = full_adder(ones, load_words(rows, row + 32), load_words(rows, row + 40))
        ones, two_d = full_adder(ones, load_words(rows, row + 48), load_words(rows, row + 56))
        twos, four_a = full_adder(twos, two_a, two_b)
        twos, four_b = full_adder(twos, two_c, two_d)
        fours, carry = full_adder(fours, four_a, four_b)
        for k in range(3, used):
            plane = load_words(planes, BLOCK * k)
            store_words(planes, BLOCK * k, plane ^ carry)
            carry = plane & carry
    store_words(planes, 0, ones)
    store_words(planes, BLOCK, twos)
    store_words(planes, 2 * BLOCK, fours)
    return used


@kernel
def class_counts(segments, first, second, bits, rows, last, group, offsets, counts):
    """Fills counts (classes, 64 words) float32 from packed bits: how many neurons of each class are 1 for each image.

    last: the half of rows that holds the last layer, with `group` rows per class, a multiple of 8. offsets (classes,)
    float32: neurons that are always 1 and have no row.
    """
    classes, images = counts.shape
    planes = np.empty((PLANES, BLOCK), np.uint64)
    for block in range(bits.shape[1] // BLOCK):
        evaluate_block(segments, first, second, bits, block, rows)
        for c in range(classes):
            used = count_ones(rows, (last * rows.shape[1] + c * group) * BLOCK, group, planes)
            for q in range(4 * BLOCK):
                n, weight = splat(offsets[c]), f32(1)
                for k in range(used):
                    n += select(load_mask(planes, 4 * BLOCK * k + q), weight, 0)
                    weight += weight
                store(counts, c * images + 64 * BLOCK * block + LANES * q, n)
