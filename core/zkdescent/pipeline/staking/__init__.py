"""A local proof-of-stake chain under a controller: what scripts/stake_oracle.py is made of."""
