"""Tamper-evident access log: entries, Merkle tree, checkpoints, proofs."""
