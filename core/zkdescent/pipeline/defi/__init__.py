"""Contracts that act on proven outputs: a margin, a screen for payments, a credit line.

Each story trains nothing itself: it takes a project that is trained and proven, mints the model,
deploys the consumer that pins it, and leads decisions on chain, with attempts that must be refused.
"""
