"""The ledger: runs, the lease, recorded results and changes, and proof of their integrity."""
