"""Order of the batch blocks: a keyed permutation, re-keyed each epoch (twin of Shuffle.sol).

A four-round balanced Feistel network over the smallest domain of even bit width that holds n
values, with cycle walking: values outside [0, n) are fed back until one falls inside (Black and
Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, section 3). The domain is less
than four times n, so fewer than four rounds of walking are expected.

Why not a Fisher-Yates shuffle: the contract needs one index at a time in constant gas, and
storing the order would cost a storage slot per block.
"""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.core.errors import DataError

ROUNDS = 4


def _half_bits(n: int) -> int:
    """Half of the smallest even bit width w with 2**w >= n (n >= 2)."""
    return ((n - 1).bit_length() + 1) // 2


def _round_value(seed: bytes, epoch: int, round_: int, right: int, mask: int) -> int:
    words = encode(["bytes32", "uint256", "uint256", "uint256"], [seed, epoch, round_, right])
    return int.from_bytes(keccak(words), "big") & mask


def permute(seed: bytes, epoch: int, position: int, n: int) -> int:
    """Return the index visited at ``position`` of ``epoch``: a bijection of [0, n) per epoch.

    Args:
        seed: 32 bytes, the task's seed.
        epoch: number of the pass over the data, from 0.
        position: place within the epoch, 0 <= position < n.
        n: number of batch blocks in an epoch.

    Raises:
        DataError: n is not positive, the position is out of range or the seed has another length.
    """
    if n <= 0 or not 0 <= position < n:
        raise DataError(
            "no such position in an epoch", expected=f"0 <= position < {n}", got=position
        )
    if len(seed) != 32 or epoch < 0:
        raise DataError(
            "a seed has 32 bytes and an epoch is not negative",
            expected="32 bytes, epoch >= 0",
            got=(len(seed), epoch),
        )
    if n == 1:
        return 0
    half = _half_bits(n)
    mask = (1 << half) - 1
    value = position
    while True:
        left, right = value >> half, value & mask
        for round_ in range(ROUNDS):
            left, right = right, left ^ _round_value(seed, epoch, round_, right, mask)
        value = (left << half) | right
        if value < n:
            return value


def block_index(seed: bytes, proof_index: int, blocks_per_epoch: int) -> int:
    """Return the batch block that block proof ``proof_index`` of a run must consume."""
    epoch, position = divmod(proof_index, blocks_per_epoch)
    return permute(seed, epoch, position, blocks_per_epoch)
