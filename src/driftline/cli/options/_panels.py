"""Names of the groups of options in help; what has no group is on the first screen."""

DATA = "Data"
EFFORT = "Items and method"
RUN = "Run and output"
MODEL = "Model loading"
RAY = "Ray"
LOGS = "Logs of other tools"
