"""Simulated fleets: terminals of every kind, where such things are and moving as such things move.

Everything in this folder is generated from a seed. Places are real; people, companies and terminals are invented and
say so in their names.
"""
