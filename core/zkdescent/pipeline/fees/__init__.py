"""Fee markets: collect their blocks from a node, make rows to train on, judge what was learned."""

from zkdescent.pipeline.fees._blocks_csv import read_blocks
from zkdescent.pipeline.fees.judging import Judgement, judge
from zkdescent.pipeline.fees.market import Block, contiguous, rows_of

__all__ = ["Block", "Judgement", "contiguous", "judge", "read_blocks", "rows_of"]
