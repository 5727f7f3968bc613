"""A plan as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import Plan, PlanLook
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    duration,
    in_points,
    interval,
    items_in_groups,
    number,
    percent,
    with_error,
    with_rise,
)
from ...results.summaries import budget_words, plan_headline, scale_word, setting_words, trial_order
from ..charts import plan_front, to_svg
from ._page import Figure, page
from ._search_claims import BADGES, claim_reasons
from ._tables import Table, table


def render_plan(found: Plan) -> str:
    """A plan as a page: the protocol, what it keeps, how it was found, what each lever bought.

    Args:
        found: What to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal plans.
    """
    found = in_points(found)
    label = "Target gain against the worst capability's loss; the numbers are in the table."
    caption = (
        "Every point of the search, on the items that choose: each trial at some scales of its update. "
        "Up is more gain, left is less loss of the capability that lost most, in its tolerances; the "
        "line joins points that none beats, and the circle is what was chosen."
    )
    chart = to_svg(plan_front(found), prefix="front", label=label)
    p = found.provenance
    return page(
        "_plan.html.j2",
        word=found.verdict.upper(),
        badge=BADGES[found.verdict],
        rest=plan_headline(found),
        model=clean(p.base_model.source),
        data=clean(p.data.name),
        created=clean(p.created).replace("T", " "),
        version=clean(p.driftline_version),
        tiles=tuple(_tiles(found)),
        protocol=_protocol_table(found),
        parts=_parts_table(found) if found.chosen.parts else None,
        files=_files_table(found),
        margins=_margins_table(found),
        target=_target_line(found),
        figure=Figure(chart, caption, _front_table(found)),
        ablation=_ablation_table(found) if found.ablation else None,
        trials=_trials_table(found),
        caveats=[clean(caveat) for caveat in found.caveats],
        cost=(
            f"{duration(found.cost.wall_seconds)}, {len(found.trials)} trials, "
            f"{found.cost.tokens_backward:,} tokens trained, {found.cost.tokens_forward:,} scored"
        ),
        budget=budget_words(found.budget),
        provenance=_provenance_table(found),
    )


def _tiles(found: Plan) -> Iterator[tuple[str, str, str]]:
    target = found.target
    spread = interval(target.low, target.high, signed=True)
    yield "target gain", number(target.gain, signed=True), f"{target.unit}, {spread}"
    required = [row for row in found.margins_left if row.required]
    least = next((row for row in required if row.left is not None), None)
    yield "least margin left", percent(least.left if least else None), (
        clean(least.capability) if least else "no limit"
    )  # fmt: skip
    kept = sum(claim.verdict == "non_inferior" for claim in found.claims)
    yield "capabilities retained", f"{kept} of {len(found.claims)}", "on unseen items"
    finished = sum(trial.state == "finished" for trial in found.trials)
    yield "trials", f"{len(found.trials)}", f"{finished} trained to their end"


def _protocol_table(found: Plan) -> Table | None:
    if found.protocol is None:
        return None
    rows = [(s.lever, s.value, s.plain) for s in found.protocol.settings]
    rows = rows or [("nothing", "as your config has it", "")]
    return table([("lever", "text"), ("value", "text"), ("your config", "text")], rows)


def _files_table(found: Plan) -> Table | None:
    if not found.files:
        return None
    return table(
        [("file", "text"), ("has no words for", "text"), ("digest", "code")],
        ((f.name, ", ".join(f.lacks) or DASH, f.digest) for f in found.files),
    )


def _target_line(found: Plan) -> str:
    target = found.target
    return clean(
        f"The target on {target.num_items:,} rows that were neither trained on nor chose: "
        f"{number(target.base)} {target.unit} in the base, {number(target.tuned)} after; gain "
        f"{number(target.gain, signed=True)}, one-sided {percent(target.confidence_level)} limits "
        f"{interval(target.low, target.high, signed=True)}."
    )


def _margins_table(found: Plan) -> Table:
    claims = {claim.capability: claim for claim in found.claims}
    made = table(
        [
            ("capability", "text"),
            ("items in groups", "number"),
            ("loss", "number"),
            ("at most", "number"),
            ("tolerance", "number"),
            ("margin left", "number"),
            ("unit", "text"),
            ("adjusted p", "number"),
            ("claim", "text"),
            ("", "text"),
        ],
        (
            (
                row.capability,
                items_in_groups(
                    claims[row.capability].num_items, claims[row.capability].num_groups
                ),
                with_rise(
                    with_error(number(row.loss, signed=True), row.standard_error),
                    row.unit,
                    row.loss,
                ),
                with_rise(number(row.loss_limit, signed=True), row.unit, row.loss_limit),
                with_rise(number(row.tolerance), row.unit, row.tolerance),
                percent(row.left),
                row.unit,
                number(claims[row.capability].adjusted_pvalue),
                CLAIM_WORDS[claims[row.capability].verdict],
                "" if row.required else "watched",
            )
            for row in found.margins_left
        ),
    )
    return Table(made.titles, made.kinds, made.rows, claim_reasons(found.claims))


def _ablation_table(found: Plan) -> Table:
    return table(
        [
            ("lever", "text"),
            ("value", "text"),
            ("plain", "text"),
            ("gain with", "number"),
            ("gain without", "number"),
            ("bought", "number"),
            ("worst loss with", "number"),
            ("worst loss without", "number"),
            ("", "text"),
        ],
        (
            (
                row.lever,
                row.value,
                row.plain,
                number(row.gain_with),
                number(row.gain_without),
                number(row.bought, signed=True),
                number(row.worst_loss_with),
                number(row.worst_loss_without),
                "dropped: no worse without it" if row.was_dropped else row.reason or "",
            )
            for row in found.ablation
        ),
    )


def _parts_table(found: Plan) -> Table:
    return table(
        [("part", "text"), ("scale of its update", "number")],
        ((part, f"{scale:g}") for part, scale in found.chosen.parts.items()),
    )


def _trials_table(found: Plan) -> Table:
    return table(
        [
            ("trial", "number"),
            ("protocol", "text"),
            ("steps", "number"),
            ("gain", "number"),
            ("worst loss", "number"),
            ("of", "text"),
            ("scale", "number"),
            ("state", "text"),
            ("why", "text"),
            ("tokens", "number"),
            ("seconds", "number"),
        ],
        (
            (
                f"{trial.number}",
                setting_words(trial.settings),
                f"{trial.num_steps:,}",
                *_best(trial.best),
                trial.state,
                trial.reason or ("" if trial.purpose == "search" else f"without: {trial.purpose}"),
                f"{trial.tokens_trained:,}",
                number(trial.wall_seconds),
            )
            for trial in sorted(found.trials, key=trial_order)
        ),
    )


def _best(best: PlanLook | None) -> tuple[str, str, str, str]:
    if best is None:
        return DASH, DASH, DASH, DASH
    return (
        number(best.target_gain),
        number(best.worst_loss),
        best.worst_capability,
        scale_word(best),
    )


def _front_table(found: Plan) -> Table:
    return table(
        [
            ("trial", "text"),
            ("scale", "number"),
            ("gain", "number"),
            ("worst loss", "number"),
            ("of", "text"),
            ("excess", "number"),
        ],
        (
            (
                "base" if look.trial is None else f"{look.trial}",
                scale_word(look),
                number(look.target_gain),
                number(look.worst_loss),
                look.worst_capability,
                number(look.excess),
            )
            for look in found.looks
            if look.is_on_front
        ),
    )


def _provenance_table(found: Plan) -> Table:
    p = found.provenance
    packages = ", ".join(f"{name} {version}" for name, version in sorted(p.packages.items()))
    config = "TRL's defaults" if p.config is None else f"{p.config.name} {p.config.digest}"
    rows = [
        ("base", f"{p.base_model.source} {p.base_model.digest}"),
        ("data", f"{p.data.name} {p.data.digest}, {p.held_out} rows held out"),
        ("config", config),
        *((f"suite {suite.name}", suite.digest) for suite in p.suites),
        ("required", ", ".join(p.required)),
        ("fragile modules", ", ".join(p.protected_modules) or "none"),
        (
            "command",
            f"{p.command}, alpha {p.alpha:g}, {p.num_search_items} items a capability choose, seed "
            f"{p.seed}",
        ),
        ("numerics", f"{p.numerics.compute_dtype} on {p.numerics.device}"),
        ("driftline", f"{p.driftline_version}, Python {p.python_version}"),
        ("packages", packages),
        ("created", p.created),
        ("schema", found.schema_),
    ]
    return table([("", "text"), ("", "code")], rows)
