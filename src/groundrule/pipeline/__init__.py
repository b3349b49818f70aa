"""The only place that orders the steps: observations → locate → track → decide → record."""
