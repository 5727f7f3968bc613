"""Test whether a tuned model kept its base's capabilities; the result is what a certificate signs."""

from ._caveats import copies_caveats as copies_caveats
from ._certify import CertifyRequest as CertifyRequest
from ._certify import certify as certify
from ._certify import check_tokens as check_tokens
from ._certify import repeatability as repeatability
from ._certify_scored import ScoredRequest as ScoredRequest
from ._certify_scored import certify_scored as certify_scored
from ._choosing_items import ChoosingItems as ChoosingItems
from ._choosing_items import unchosen as unchosen
from ._paired_scores import has_same_weights as has_same_weights
from ._paired_scores import is_same_model as is_same_model
from ._paired_scores import score_both as score_both
from ._paired_scores import score_once as score_once
from ._subjects import base_subject as base_subject
from ._subjects import stray_caveats as stray_caveats
from ._subjects import tuned_subject as tuned_subject
