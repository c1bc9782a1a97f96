"""Proofs in parallel: what is to be proven, who proves it, how many at once, what if one fails.

`scheduler.prove_jobs` is the one entry; `engines` are the places where proofs are made: this
process, worker processes of this machine (joblib's loky), a Ray cluster.
"""
