"""Orbit: element sets in, states and visibility out.

1. `reading` takes OMM and TLE files apart into `elements.Elements`; `generate` makes them from published shells.
2. `propagate.Propagator` gives Earth-fixed states, with a status for each instead of a silent number.
3. `visible.VisibilityIndex` says which satellites a ground point sees.
"""
