"""Governance judges: who may change what, by which quorum, with which conflicts, and for how long. It never acts."""
