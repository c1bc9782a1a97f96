"""A chain to which nothing is sent: what would be sent is estimated, and its sender stopped."""

from __future__ import annotations

from zkdescent.verifier.chain import Chain, Receipt


class Estimated(Exception):  # noqa: N818 - no error: the caller has what it wanted
    """The action was estimated and not sent; what follows it is not possible yet."""


class Estimator(Chain):
    """Reads as the chain does; :attr:`estimates` collects gas by action.

    The node under it stays open: whoever opened the chain closes it.
    """

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain._node, chain.account, chain._sender)
        self.estimates: dict[str, int] = {}

    def send_data(
        self, to: str, data: bytes, *, action: str = "transaction", value: int = 0
    ) -> Receipt:
        """Estimate instead of sending.

        Raises:
            Estimated: always, if the action is possible.
            ContractRejected, ContractRefused, GasCapExceeded: as for sending.
        """
        self.estimates[action] = self.estimate_data(to, data, action=action, value=value)
        raise Estimated(action)

    def close(self) -> None:
        """Leave the node open."""
