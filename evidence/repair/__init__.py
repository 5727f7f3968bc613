"""Repair of models that real fine-tuning has damaged, judged on items that chose nothing."""
