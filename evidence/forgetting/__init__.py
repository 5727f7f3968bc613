"""A benchmark of forgetting: real fine-tuning runs, and forecasts of them judged on runs unseen."""
