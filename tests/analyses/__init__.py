"""The analyses: planted truths, and the main job on a tiny model."""
