"""Verify many proofs at once: the contracts' bytecode for each, one pairing check for all.

A pairing in pure Python takes as long as the rest of a verification. Here the pairing precompile
answers "holds" and writes down what it was asked; `settle` then checks that all of it holds, as one
equation with random 128-bit coefficients (Bellare, Garay, Rabin, EUROCRYPT 1998, small exponents
test; wrong with probability 2^-128). If it does, every answer was the true one, so each contract
ran exactly as it would have on a chain. If it does not, each proof is verified by itself, and the
first that fails is named.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any

from eth.exceptions import VMError
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth_utils.address import to_canonical_address

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import CircuitRecord, ProofRecord
from zkdescent.verifier._bn254 import Point, add, combine, is_point, multiply
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier.evm import EvmProofVerifier
from zkdescent.verifier.honk_code import LoadObject

_GAS_ADD, _GAS_MULTIPLY, _GAS_PAIRING, _GAS_PAIR = 150, 6_000, 45_000, 34_000  # EIP-1108
_PAIR_BYTES = 192
_COEFFICIENT_BITS = 128
_AT_MOST = 1024
_ONE = (1).to_bytes(32, "big")

Equation = list[tuple[Point, bytes]]
"""Pairs whose product of pairings must be one: a point of the first group, the second's bytes."""


class BatchedProofVerifier(EvmProofVerifier):
    """As `EvmProofVerifier`, but an acceptance counts only once `settle` has returned.

    Args:
        load_object: as there.
    """

    def __init__(self, load_object: LoadObject | None = None) -> None:
        super().__init__(load_object)
        self._asked: list[Equation] = []
        self._pending: list[tuple[CircuitRecord, ProofRecord]] = []
        self._sandbox = Sandbox(_deferring_vm(self._asked))

    def verify(self, circuit: CircuitRecord, proof: ProofRecord) -> None:
        """Run the contract; see the base class.

        Raises:
            ProofRejected: the contract does not accept, whatever the pairings give. One that
                fails only there is found by `settle`.
        """
        asked = len(self._asked)
        try:
            super().verify(circuit, proof)
        except ProofRejected:
            del self._asked[asked:]  # what a rejected proof asked for is nobody's condition
            raise
        self._pending.append((circuit, proof))
        if len(self._pending) >= _AT_MOST:
            self.settle()

    def settle(self) -> None:
        """Check all that was put off.

        Raises:
            ProofRejected: a proof does not verify; it is named.
        """
        asked, pending = self._asked.copy(), self._pending.copy()
        self._asked.clear()
        self._pending.clear()
        if _all_hold(asked):
            return
        alone = EvmProofVerifier(self._load_object)
        for circuit, proof in pending:
            alone.verify(circuit, proof)
        raise ProofRejected("a pairing that a verifier contract asked for does not hold")


def _deferring_vm(asked: list[Equation]) -> type[PragueVM]:
    """Prague with the curve's precompiles replaced; pairings are appended to a list."""

    def pairing(computation: Any) -> Any:
        data = bytes(computation.msg.data)
        pairs = len(data) // _PAIR_BYTES
        computation.consume_gas(_GAS_PAIRING + pairs * _GAS_PAIR, reason="ECPAIRING Precompile")
        if len(data) % _PAIR_BYTES:
            raise VMError("Invalid ECPAIRING parameters")
        equation = []
        for start in range(0, len(data), _PAIR_BYTES):
            point = _point(data[start : start + 64])
            other = data[start + 64 : start + _PAIR_BYTES]
            if _second(other) is None:
                raise VMError("Invalid ECPAIRING parameters")
            equation.append((point, other))
        asked.append(equation)
        computation.output = _ONE
        return computation

    replaced = {6: _add, 7: _multiply, 8: pairing}
    table = {
        **PragueComputation.get_precompiles(),
        **{to_canonical_address(f"0x{n:040x}"): f for n, f in replaced.items()},
    }
    computation = type("Computation", (PragueComputation,), {"_precompiles": table})
    state = type("State", (PragueState,), {"computation_class": computation})
    vm: type[PragueVM] = type("VM", (PragueVM,), {"_state_class": state})
    return vm


def _add(computation: Any) -> Any:
    computation.consume_gas(_GAS_ADD, reason="ECADD Precompile")
    data = bytes(computation.msg.data)[:128].ljust(128, b"\0")
    computation.output = _bytes(add(_point(data[:64]), _point(data[64:])))
    return computation


def _multiply(computation: Any) -> Any:
    computation.consume_gas(_GAS_MULTIPLY, reason="ECMUL Precompile")
    data = bytes(computation.msg.data)[:96].ljust(96, b"\0")
    scalar = int.from_bytes(data[64:], "big")
    computation.output = _bytes(multiply(_point(data[:64]), scalar))
    return computation


def _point(data: bytes) -> Point:
    x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    if not is_point(x, y):
        raise VMError("not a point of BN254's first group")
    return x, y


def _bytes(point: Point) -> bytes:
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


@lru_cache(maxsize=256)
def _second(data: bytes) -> Any:
    """A point of the second group as py_ecc has it; None if it is none (EIP-197).

    Cached: a verifier asks for the same two points for every proof, and whether a point is of the
    right order takes a multiplication by it.
    """
    from py_ecc.optimized_bn128 import FQ2, b2, curve_order, is_on_curve
    from py_ecc.optimized_bn128 import multiply as multiply_second

    from zkdescent.verifier._bn254 import Q

    x1, x0, y1, y0 = (int.from_bytes(data[i : i + 32], "big") for i in range(0, 128, 32))
    if max(x0, x1, y0, y1) >= Q:
        return None
    if (x0, x1, y0, y1) == (0, 0, 0, 0):
        return (FQ2.one(), FQ2.one(), FQ2.zero())
    point: Any = (FQ2([x0, x1]), FQ2([y0, y1]), FQ2.one())
    if not is_on_curve(point, b2):
        return None
    if multiply_second(point, curve_order)[-1] != FQ2.zero():
        return None
    return point


def _all_hold(equations: list[Equation]) -> bool:
    """Whether every product of pairings is one, but for a chance of 2^-128."""
    from py_ecc.optimized_bn128 import FQ, FQ12, final_exponentiate, pairing

    points: dict[bytes, list[Point]] = {}
    scalars: dict[bytes, list[int]] = {}
    for equation in equations:
        coefficient = 1 + secrets.randbelow((1 << _COEFFICIENT_BITS) - 1)
        for point, other in equation:
            points.setdefault(other, []).append(point)
            scalars.setdefault(other, []).append(coefficient)
    product: Any = FQ12.one()
    for other, of_it in points.items():
        x, y = combine(of_it, scalars[other])
        first: Any = (FQ(1), FQ(1), FQ(0)) if (x, y) == (0, 0) else (FQ(x), FQ(y), FQ(1))
        product = product * pairing(_second(other), first, final_exponentiate=False)
    return bool(final_exponentiate(product) == FQ12.one())
