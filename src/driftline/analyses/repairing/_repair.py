"""Repair without training: the update scaled part by part, judged on held-out items."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...capabilities import Capability, Suite
from ...engine import Engine, Meter, Progress, RunFolder, open_session
from ...errors import ConfigError, ModelError, OutputError
from ...model_files import folder_files
from ...models import (
    BASE,
    HeldDirection,
    LanguageModel,
    Point,
    Term,
    TrainingData,
    TunedModel,
    WeightNorms,
    change_norms,
    digest_at,
    open_tuned_model,
    write_scaled,
)
from ...provenance import digest_file, provenance_fields
from ...results import Cost, EqualItems, Repair, RepairedModel, RepairProvenance, SourceProvenance
from ..certification import base_subject, check_tokens, copies_caveats, tuned_subject
from ..comparison import check_claims
from ..items import (
    Halves,
    SuiteRequest,
    check_items,
    claims_caveat,
    distinct,
    keys_of,
    sampled_items,
    search_items,
    split_items,
    target_capability,
)
from ..search import (
    Candidate,
    CandidateEvaluation,
    Cell,
    Ruler,
    SearchRequest,
    list_cells,
    weight_scales,
)
from ..suite_scores import check_names
from ._caveats import repair_caveats
from ._repair_document import RepairOutcome, cell_scales, families, judge, look_rows, verdict_of
from ._scale_search import NUM_LOOKS, RepairSearch, search_repair

REPAIRED = "repaired"
"""The folder inside the run folder that holds the repaired model."""
_MARKER = "driftline-repair.json"
"""In the repaired model's folder: which scales made it, and that Driftline did."""
_NUM_TARGET = 64
"""Examples of the target on either side."""


@dataclass(frozen=True)
class RepairRequest(SearchRequest, SuiteRequest):
    """Request: a base, a model tuned from it, and the losses to restore."""

    opened: LanguageModel
    """The base."""
    tuned: str
    """A model folder with safetensors, a PEFT adapter folder, or a hub id."""
    suites: tuple[Suite, ...]
    data: TrainingData | None = None
    """Examples of what tuning was for; best ones that were not trained on."""
    max_cost: float | None = None
    """Share of the target's gain that may be given up; None for no limit."""


@dataclass(frozen=True)
class _RepairInputs:
    """The items of both sides."""

    capabilities: tuple[Halves, ...]
    target: Halves | None
    equal_items: tuple[EqualItems, ...]
    """Copies that were left out, as `certify` leaves them out."""

    @property
    def search(self) -> tuple[Capability, ...]:
        return tuple(halves.search for halves in self.capabilities)

    @property
    def report(self) -> tuple[Capability, ...]:
        return tuple(halves.report for halves in self.capabilities)


def repair(
    request: RepairRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> Repair:
    """Search scales of an update that restore capabilities, write the model, and test it.

    The repaired weights are base + scale * (tuned - base), with a scale for attention and MLP of
    each layer. Families: one scale (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903), scales linear
    in depth (LiNeS, Wang et al. 2024, arXiv 2410.17146), resetting parts, scaling parts by what they
    cost, and scales of groups that a Gaussian process proposes from all these looks. The search keeps the target's gain
    as high as it can while the upper bound of each required capability's loss stays within its
    tolerance. One half of the items chooses; the claims are made on the other half, with the weights
    as they were written.

    Cost: up to some 73 forward passes over the items that choose, three over the others. No
    gradients. What an earlier process stored in the folder is taken up.

    Args:
        request: Model, data and settings.
        folder: Folder of the store and, in `repaired`, of the repaired model.
        listener: Told about progress.

    Returns:
        The document; the base is as it was.

    Raises:
        ConfigError: An option that cannot be met, or two capabilities of one name.
        SuiteError: A capability has too few groups to be parted.
        ModelError: The tuned model cannot be read, is the base, or was not tuned from it.
        OutputError: The folder for the repaired model holds something else.
        RunError: A point could not be scored, or a score is not finite.
    """
    started = time.monotonic()
    _check(request)
    output = folder.path / REPAIRED
    _check_output(output)
    meter = Meter(listener)
    meter.enter("opening the tuned model")
    tuned = _held(open_tuned_model(request.tuned, request.opened))
    opened = tuned.base
    request = replace(request, opened=opened)
    with open_session(folder, opened, request.options, meter, ray=request.ray) as engine:
        check_tokens(tuned, request.capabilities, engine)
        inputs = _asked(request, engine)
        search = _search(request, tuned, inputs, engine)
        _plan(meter, engine, inputs)
        best = search_repair(search)
        meter.enter("scoring what was chosen on unseen items")
        point, model = _write(request, search, best, output)
        extra = () if inputs.target is None else (inputs.target.report,)
        table = engine.evaluate((BASE, tuned.point, point), (*inputs.report, *extra))
        engine.check_unchanged()
        for files in (opened.files, tuned.files):
            files.check_unchanged()
    outcome = judge(
        table,
        (tuned.point, point),
        capabilities=inputs.capabilities,
        target=inputs.target,
        lost=_lost(search.looks[0]),
        lacking=search.lacking,
        alpha=request.alpha,
        seed=request.seed,
    )
    document = _document(
        request, search, outcome, tuned, engine, inputs=inputs, output=model, started=started
    )
    copies = tuple(copies_caveats(inputs.equal_items))
    return document.model_copy(update={"caveats": (*copies, *document.caveats)})


def _check(request: RepairRequest) -> None:
    check_names(request.capabilities, reserved=("target",))
    check_claims(request.capabilities, request.alpha)
    if not any(capability.required for capability in request.capabilities):
        raise ConfigError("--suite: no capability is required, so there is nothing to give back")
    check_items(request.num_items)
    check_items(request.num_search_items, option="--search-items")
    if request.max_cost is None:
        return
    if request.data is None:
        raise ConfigError("--max-cost: is a share of the target's gain; add --data to measure it")
    if not 0 < request.max_cost < 1:
        raise ConfigError(f"--max-cost: {request.max_cost:g} must lie between 0 and 1, as in 0.05")


def _check_output(output: Path) -> None:
    """Refuse an output path that holds anything but an earlier repaired model."""
    if output.exists() and not (output / _MARKER).is_file():
        raise OutputError(
            f"{output}: exists and was not written by a repair; move it, or give another --out"
        )


def _held(tuned: TunedModel) -> TunedModel:
    """Return the tuned model with its update in memory, since it is evaluated many times."""
    (term,) = tuned.point.terms
    return replace(tuned, point=Point("tuned", (Term(HeldDirection(term.direction), 1.0),)))


def _asked(request: RepairRequest, engine: Engine) -> _RepairInputs:
    seed = request.seed
    result = distinct(request.capabilities, engine)
    capabilities = sampled_items(result.capabilities, request.num_items, seed=seed)
    numbers = search_items(capabilities, requested=request.num_search_items)
    halves = tuple(split_items(c, num_search=numbers[c.name], seed=seed) for c in capabilities)
    target = None
    if request.data is not None:
        every = target_capability(
            request.data, seed=seed, opened=request.opened, num_items=2 * _NUM_TARGET
        )
        target = split_items(every, num_search=_NUM_TARGET, seed=seed)
    return _RepairInputs(halves, target, result.equal_items)


def _search(
    request: RepairRequest, tuned: TunedModel, inputs: _RepairInputs, engine: Engine
) -> RepairSearch:
    """Return the search before its first evaluation; refuses an update that moves no matrix."""
    opened = request.opened
    norms = change_norms(opened, tuned.point.terms[0].direction)
    moved = {name for name, norm in norms.items() if norm.change > 0}
    cells = list_cells(opened.weights, moved)
    if not cells:
        raise ModelError(
            f"{request.tuned}: no matrix differs from the base's, so there is nothing to repair"
        )
    ruler = Ruler(
        inputs.search,
        None if inputs.target is None else inputs.target.search,
        tuned.point,
        request.alpha,
        request.max_cost,
        NUM_LOOKS,
        request.prefer,
    )
    squared = _squared_norms(cells, norms)
    return RepairSearch(engine, tuned, ruler, cells, squared, request.seed)


def _squared_norms(cells: tuple[Cell, ...], norms: Mapping[str, WeightNorms]) -> dict[str, float]:
    changes = {name: norm.change for name, norm in norms.items()}
    return {c.name: sum(changes.get(name, 0.0) ** 2 for name in c.weights) for c in cells}


def _plan(meter: Meter, engine: Engine, inputs: _RepairInputs) -> None:
    targets = () if inputs.target is None else (inputs.target.search, inputs.target.report)
    meter.plan(NUM_LOOKS * engine.num_tokens((*inputs.search, *targets[:1])))
    meter.plan(3 * engine.num_tokens((*inputs.report, *targets[1:])))


def _lost(tuned: CandidateEvaluation) -> tuple[str, ...]:
    """Return the capabilities that lost more than their tolerance, by the items that select."""
    return tuple(name for name, loss in tuned.losses.items() if loss.mean > 1)


def _write(
    request: RepairRequest, search: RepairSearch, best: CandidateEvaluation, output: Path
) -> tuple[Point, RepairedModel | None]:
    """Write the repaired model, whole or not at all, and open it as a user will."""
    opened, scales = request.opened, _scales(search, best.candidate)
    partial = output.with_name(f"{output.name}.partial")
    # `_check_output` has seen that it is ours; an earlier model must not outlive its report.
    for path in (partial, output):
        if path.exists():
            shutil.rmtree(path)
    if not any(best.candidate.scales.values()):
        return BASE, None
    kind = write_scaled(search.tuned, opened, scales, folder=partial)
    said = {
        "schema": "driftline/repaired-model/1",
        "base": opened.source,
        "tuned": request.tuned,
        "scales": dict(best.candidate.scales),
    }
    (partial / _MARKER).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    partial.replace(output)
    written = open_tuned_model(str(output), opened)
    files = tuple(
        SourceProvenance(name=name, digest=digest_file(file))
        for name, file in folder_files(output).items()
    )
    digest = digest_at(opened, written.point)
    model = RepairedModel(folder=output.name, kind=kind, digest=digest, files=files)
    return replace(written.point, label="repaired"), model


def _scales(search: RepairSearch, candidate: Candidate) -> dict[str, float]:
    names = [weight.name for weight in search.engine.opened.weights]
    return weight_scales(search.cells, candidate.scales, names)


def _document(
    request: RepairRequest,
    search: RepairSearch,
    outcome: RepairOutcome,
    tuned: TunedModel,
    engine: Engine,
    *,
    inputs: _RepairInputs,
    output: RepairedModel | None,
    started: float,
) -> Repair:
    rows = look_rows(search)
    best = search.looks.index(search.best)
    verdict, reasons = verdict_of(outcome, has_output=output is not None)
    return Repair(
        verdict=verdict,
        reasons=reasons,
        chosen=rows[best],
        scales=cell_scales(search.cells, search.best.candidate),
        recovery=outcome.recovery,
        target=outcome.target,
        families=families(search, rows),
        looks=tuple(rows),
        suite_claim=outcome.suite_claim,
        claims=outcome.claims,
        output=output,
        cost=Cost.since(started, forward=engine.tokens_used),
        caveats=(
            *tuned.caveats,
            *claims_caveat(
                outcome.claims, request.capabilities, inputs.capabilities, request.num_items
            ),
            *repair_caveats(search, outcome, engine.numerics, request.alpha, output=output),
        ),
        provenance=_provenance(request, tuned, engine, inputs),
    )


def _provenance(
    request: RepairRequest, tuned: TunedModel, engine: Engine, inputs: _RepairInputs
) -> RepairProvenance:
    return RepairProvenance(
        **provenance_fields("repair", request.seed),
        base=base_subject(request.opened),
        tuned=tuned_subject(tuned),
        base_model=request.opened.provenance(),
        data=None if request.data is None else request.data.provenance(),
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=engine.numerics,
        alpha=request.alpha,
        max_cost=request.max_cost,
        num_search_items=max(len(halves.search.items) for halves in inputs.capabilities),
        num_candidates=NUM_LOOKS,
        prefer=request.prefer,
        chosen_on=keys_of(inputs.search),
    )
