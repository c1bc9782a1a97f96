"""Train in float, and prepare what the circuits prove.

Nothing is imported here, so that reading data needs no torch. Modules:
:mod:`~zkdescent.train.data` (tables, split, standardisation), :mod:`~zkdescent.train.rows` (rows
to infer), :mod:`~zkdescent.train.blocks` (batch blocks), :mod:`~zkdescent.train.model`,
:mod:`~zkdescent.train.losses`, :mod:`~zkdescent.train.optimizers`, :mod:`~zkdescent.train.loop`,
:mod:`~zkdescent.train.curves`, :mod:`~zkdescent.train.export`.
"""
