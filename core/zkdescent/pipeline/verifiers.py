"""Which verifier contracts a project's circuits are registered with.

The reusable verifier ships with the package and needs no compiler. A dedicated one, generated and
compiled for one circuit, costs more to deploy and less per proof; it needs a Solidity compiler
when it is made, and is kept afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.records import CircuitRecord, Circuits, CircuitSpecRecord, CircuitSpecs
from zkdescent.core.store import ArtefactStore

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain


@dataclass(frozen=True, slots=True)
class Verifiers:
    """Registrations of the circuits, and the verifiers to deploy for them (init code by role)."""

    specs: CircuitSpecs
    init_codes: dict[str, bytes]

    def deploy(self, chain: Chain) -> tuple[Action, ...]:
        """Deploy the dedicated verifiers that are missing."""
        from zkdescent.verifier import deploy_code

        return tuple(
            deploy_code(chain, code, action=f"deploy {role} verifier")
            for role, code in self.init_codes.items()
        )


def project_verifiers(project: Project, circuits: Circuits) -> Verifiers:
    """Return the verifiers that `[chain] verifier` asks for.

    Raises:
        ToolMissing: dedicated verifiers are wanted, not compiled yet, and no compiler is here.
        ProverError: a dedicated verifier is larger than EIP-170 allows.
    """
    from zkdescent.verifier import reusable_specs

    if circuits.step.backend == "barretenberg":
        return _generated(project.open_store(), circuits)
    if project.config.chain.verifier == "reusable":
        return Verifiers(reusable_specs(circuits), {})
    store = project.open_store()
    made = {c.role: _dedicated(store, c) for c in circuits.present()}
    specs = CircuitSpecs(
        step=made["step"][0],
        range=made["range"][0] if "range" in made else None,
        inference=made["inference"][0],
    )
    return Verifiers(specs, {role: code for role, (_, code) in made.items()})


def _generated(store: ArtefactStore, circuits: Circuits) -> Verifiers:
    """Verifiers that were generated and compiled with the circuits."""
    from zkdescent.verifier import honk_specs
    from zkdescent.verifier._create2 import predict_address
    from zkdescent.verifier.honk_code import load_verifier

    found = {c.role: load_verifier(c, store.get) for c in circuits.present()}
    codes = {role: verifier.creation_code for role, verifier in found.items()}
    specs = honk_specs(
        circuits,
        {role: (predict_address(v.creation_code), v.code_hash) for role, v in found.items()},
    )
    return Verifiers(specs, {str(role): code for role, code in codes.items()})


def _dedicated(store: ArtefactStore, circuit: CircuitRecord) -> tuple[CircuitSpecRecord, bytes]:
    from eth_utils.crypto import keccak

    from zkdescent.verifier import dedicated_spec
    from zkdescent.verifier._create2 import predict_address

    name = f"circuits/{circuit.role}.verifier.json"
    source = circuit.objects["sol"]
    compiled = store.read_json(name) if name in store.names("circuits/") else None
    if compiled is None or compiled["source"] != source:
        from zkdescent.circuits.ezkl_backend.solidity import compile_dedicated_verifier

        verifier = compile_dedicated_verifier(store.get(source).decode())
        compiled = {
            "source": source,
            "bytecode": verifier["bytecode"],
            "deployedBytecode": verifier["deployedBytecode"],
        }
        store.write_json(name, compiled)
    init_code = bytes.fromhex(compiled["bytecode"].removeprefix("0x"))
    code_hash = keccak(bytes.fromhex(compiled["deployedBytecode"].removeprefix("0x")))
    return dedicated_spec(circuit, predict_address(init_code), code_hash), init_code
