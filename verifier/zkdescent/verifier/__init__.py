"""Chain client and off-chain auditor; needs neither torch nor ezkl nor the training data.

>>> from zkdescent.verifier import Chain, ensure_deployed
>>> with Chain.tester() as chain:
...     deployment = ensure_deployed(chain)
>>> [action.sent for action in deployment.actions]
[True, True, True, True]

Names are loaded on first use: the prover side imports :mod:`zkdescent.verifier.twins` and should
not pay a second for web3 and py-evm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkdescent.verifier._keys import development_account
    from zkdescent.verifier._pieces import Aggregates
    from zkdescent.verifier._refusals import GasCapExceeded, GasPriceTooHigh
    from zkdescent.verifier._reverts import ContractRefused
    from zkdescent.verifier._waiting import SendPolicy
    from zkdescent.verifier.actions import Action
    from zkdescent.verifier.addresses import Addresses, predicted_addresses
    from zkdescent.verifier.audit import AuditReport, audit_run
    from zkdescent.verifier.chain import Chain, Receipt
    from zkdescent.verifier.client import TrainingClient
    from zkdescent.verifier.consumer import ConsumerClient
    from zkdescent.verifier.deploy import (
        Deployment,
        check_deployed,
        deploy_code,
        ensure_deployed,
    )
    from zkdescent.verifier.evm import EvmProofVerifier
    from zkdescent.verifier.feed_terms import FeedTerms, GasFeedPlan, Schedule
    from zkdescent.verifier.feeds import FeedClient, FeedState, GasFeedClient, GasWindow
    from zkdescent.verifier.gateway import GatewayClient
    from zkdescent.verifier.ledger import LedgerClient
    from zkdescent.verifier.ledger_reading import LedgerReader, RunState, RunStatus, TaskState
    from zkdescent.verifier.pinned import PinnedModel
    from zkdescent.verifier.plan import (
        RunPlan,
        dedicated_spec,
        honk_spec,
        honk_specs,
        plan_from,
        plan_run,
        reusable_spec,
        reusable_specs,
    )
    from zkdescent.verifier.registry import Model, Provenance, RegistryClient

_HOME = {
    "Action": "actions",
    "Aggregates": "_pieces",
    "Addresses": "addresses",
    "AuditReport": "audit",
    "Chain": "chain",
    "ConsumerClient": "consumer",
    "ContractRefused": "_reverts",
    "Deployment": "deploy",
    "EvmProofVerifier": "evm",
    "FeedClient": "feeds",
    "FeedState": "feeds",
    "FeedTerms": "feed_terms",
    "GasCapExceeded": "_refusals",
    "GasFeedClient": "feeds",
    "GasFeedPlan": "feed_terms",
    "GasPriceTooHigh": "_refusals",
    "GasWindow": "feeds",
    "GatewayClient": "gateway",
    "LedgerClient": "ledger",
    "LedgerReader": "ledger_reading",
    "Model": "registry",
    "PinnedModel": "pinned",
    "Provenance": "registry",
    "Receipt": "chain",
    "RegistryClient": "registry",
    "RunPlan": "plan",
    "RunState": "ledger_reading",
    "RunStatus": "ledger_reading",
    "Schedule": "feed_terms",
    "SendPolicy": "_waiting",
    "TaskState": "ledger_reading",
    "TrainingClient": "client",
    "audit_run": "audit",
    "check_deployed": "deploy",
    "deploy_code": "deploy",
    "dedicated_spec": "plan",
    "development_account": "_keys",
    "ensure_deployed": "deploy",
    "honk_spec": "plan",
    "honk_specs": "plan",
    "plan_from": "plan",
    "plan_run": "plan",
    "predicted_addresses": "addresses",
    "reusable_spec": "plan",
    "reusable_specs": "plan",
}

__all__ = [
    "Action",
    "Addresses",
    "Aggregates",
    "AuditReport",
    "Chain",
    "ConsumerClient",
    "ContractRefused",
    "Deployment",
    "EvmProofVerifier",
    "FeedClient",
    "FeedState",
    "FeedTerms",
    "GasCapExceeded",
    "GasFeedClient",
    "GasFeedPlan",
    "GasPriceTooHigh",
    "GasWindow",
    "GatewayClient",
    "LedgerClient",
    "LedgerReader",
    "Model",
    "PinnedModel",
    "Provenance",
    "Receipt",
    "RegistryClient",
    "RunPlan",
    "RunState",
    "RunStatus",
    "Schedule",
    "SendPolicy",
    "TaskState",
    "TrainingClient",
    "audit_run",
    "check_deployed",
    "dedicated_spec",
    "deploy_code",
    "development_account",
    "ensure_deployed",
    "honk_spec",
    "honk_specs",
    "plan_from",
    "plan_run",
    "predicted_addresses",
    "reusable_spec",
    "reusable_specs",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
