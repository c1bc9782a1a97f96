"""A contract whose parameters are found by proven gradient descent, measured before and after.

`run_tuning` is the whole story; docs/gas-tuning.md says why it is told this way.
"""
