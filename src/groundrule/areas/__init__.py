"""Areas: polygons to an index; which areas, with what probability, how far to the edge."""
