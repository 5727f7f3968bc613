"""Writes the shipped capability suite `core`: our own texts, one module a capability.

Run `python -m scripts.suites` from the project root to write the files below
`src/driftline/capabilities/suites/`, and `python -m scripts.suites --check` to prove
that the committed ones are what this package writes.

How the items were chosen: each construction, fact or format was written by hand as
natural text before any model was run on it. Then SmolLM2-135M-Instruct was run, and two
things followed from its scores. Constructions that it could not do were dropped as a
whole (in their stead came constructions that were closer to what it could do).
Where its margins were far past the clip of 5 nats, so that there was no room to see a
loss, constructions were replaced by harder ones or distractors by closer ones. A few prompts
after which every choice was improbable were worded anew. Beyond these, no item
was dropped because the model got it wrong: wrong and unsure items remain everywhere.
So accuracy here is not an estimate for such texts in general; changes of it are the use.
"""
