"""Measurements against short committed baselines, in one run: claims are ratios, never seconds."""
