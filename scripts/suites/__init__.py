"""Writes the shipped capability suite `core`: our own texts, one module a capability.

Run `python -m scripts.suites` from the project root to write the files below
`src/driftline/capabilities/suites/`, and `python -m scripts.suites --check` to prove
that the committed ones are what this package writes.

How the items were chosen: each construction, fact or format was written by hand as
natural text before any model was run on it. What a model's score decided is whole
constructions only: those that SmolLM2-135M-Instruct could not do at all, or did with
every margin far past the clip of 5 nats, were rewritten or dropped as a group. No
single item was kept or dropped for its score, so hard and wrong items remain.
"""
