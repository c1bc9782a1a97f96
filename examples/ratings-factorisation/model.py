"""Matrix factorisation: a rating is the product of a user's and an item's vector, and two biases.

Koren, Bell and Volinsky 2009, eq. 4. Vectors are looked up by multiplying one-hot columns: data
columns are numbers, which an index is not.
"""

from torch import Tensor, nn


class Factorisation(nn.Module):
    """Embeddings of users and items; the last of `rank + 1` numbers is the bias."""

    def __init__(self, users: int, items: int, rank: int) -> None:
        super().__init__()
        self.users, self.rank = users, rank
        self.user = nn.Linear(users, rank + 1, bias=False)
        self.item = nn.Linear(items, rank + 1, bias=False)
        for embedding in (self.user, self.item):
            nn.init.normal_(embedding.weight, std=0.3)

    def forward(self, pairs: Tensor) -> Tensor:  # (n, users + items) -> (n, 1)
        user, item = self.user(pairs[:, : self.users]), self.item(pairs[:, self.users :])
        product = (user[:, : self.rank] * item[:, : self.rank]).sum(dim=1, keepdim=True)
        return product + user[:, self.rank :] + item[:, self.rank :]


def build(users: int, items: int, rank: int) -> nn.Module:
    """Return the model; its output (n, 1) estimates a rating less 3."""
    return Factorisation(users, items, rank)
