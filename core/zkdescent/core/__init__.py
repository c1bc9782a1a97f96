"""What all parts share: errors, records, the project file and the artefact store.

Modules: :mod:`~zkdescent.core.errors`, :mod:`~zkdescent.core.records`,
:mod:`~zkdescent.core.config`, :mod:`~zkdescent.core.store`. Nothing here needs torch or a prover.
"""
