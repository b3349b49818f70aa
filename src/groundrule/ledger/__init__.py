"""Ledger: the witnessed, tamper-evident log, its proofs, and commitments that publish nothing about a terminal."""
