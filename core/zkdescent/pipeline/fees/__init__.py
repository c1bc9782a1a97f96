"""Fee markets: collect their blocks from a node, make rows to train on, judge what was learned."""

from zkdescent.pipeline.fees.judging import Judgement, answer_of, judge
from zkdescent.pipeline.fees.market import Block, contiguous, features_of, next_base_fee, rows_of

__all__ = [
    "Block",
    "Judgement",
    "answer_of",
    "contiguous",
    "features_of",
    "judge",
    "next_base_fee",
    "rows_of",
]
