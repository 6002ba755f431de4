"""The ledger: runs, the lease, recorded results and changes, and proof that they are unaltered."""
