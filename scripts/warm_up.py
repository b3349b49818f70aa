"""Compiles every numba loop once, by running a very small demo; the compiled code is cached beside the sources."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import shapely

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area
from groundrule.pipeline.demo import make_demo


def main() -> None:
    """Touch what the demo touches, and what only other commands do."""
    with tempfile.TemporaryDirectory() as folder:
        make_demo(Path(folder) / "demo", terminals=600, minutes=1)
    index = AreaIndex.build((Area("zone:a", "zone", "A", shapely.box(0, 0, 1, 1)),), buffers=[("zone:a", 1900.0)])
    index.locate_points(np.array([0.5, 1.001]), np.array([0.5, 0.5]), np.array([15.0, 15.0], np.float32))
    index.edge_distance_m(0.5, 0.5, 0)


if __name__ == "__main__":
    main()
