"""Models, directions, points, scores and training, against dense references on tiny models."""
