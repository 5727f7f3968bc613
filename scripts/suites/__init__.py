"""Write the shipped capability suites `core` and `core-chat` from our own tables.

Run `python -m scripts.suites` from the project root to write the files below
`src/driftline/capabilities/suites/`, and `python -m scripts.suites --check` to prove
that the committed ones are what this package writes and that every item keeps the rules
of `_checks.py`. The former suite, `core-0.1`, is kept as files only.

Multiple-choice items come in sets of four questions with the same four choices, each
right once; minimal pairs come in lines of two contexts and two forms, each form right once.
So a scorer that reads the options alone (their length, their frequency, a model's
preference for one of them) is at chance by construction, and no item had to be dropped for it.

All items were written before any model was run on them. Afterwards only wrong labels were mended
(`python -m evidence.suites.run` lists the items that a model finds impossible); none was dropped
because a model got it wrong or right.
"""
