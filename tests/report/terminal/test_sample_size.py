"""The document of `sample-size`, and how it reads."""

from driftline.report.terminal import sample_size_summary
from driftline.results import SampleSize, SampleSizeClaim

FOUND = SampleSize(
    margin=0.02,
    discordance=0.1,
    change=0.0,
    power=0.8,
    alpha=0.05,
    num_capabilities=8,
    claims=(
        SampleSizeClaim(claim="one", num_items=1566, alpha=0.05, power=0.801),
        SampleSizeClaim(claim="each", num_items=2825, alpha=0.00625, power=0.8),
    ),
    caveats=("items are independent",),
)


def test_it_is_read_back_as_it_was_written():
    assert '"schema": "driftline/sample_size/1"' in FOUND.to_json()
    assert SampleSize.from_json(FOUND.to_json()) == FOUND


def test_it_says_which_number_margin_and_power_go_together():
    text = sample_size_summary(FOUND)
    first = " ".join(text.split("\n\n")[0].split())
    assert first.startswith(
        "2,825 items a capability show that accuracy has not fallen by 2 points"
    )
    assert "a chance of 80% if in truth it does not change while 10.0% of the items flip" in first
    assert "one capability is kept" in text
    assert "[1] items are independent" in text
    assert text.endswith("\n")
