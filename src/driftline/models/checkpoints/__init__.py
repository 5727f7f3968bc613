"""Model files on disk: which tensors, names and settings belong to a checkpoint."""

from ._checkpoint import PICKLE_SUFFIXES as PICKLE_SUFFIXES
from ._checkpoint import read_folder as read_folder
from ._checkpoint import read_json as read_json
from ._locations import HUB_ID as HUB_ID
from ._locations import NAMED_MODELS as NAMED_MODELS
from ._locations import find_named_model as find_named_model
from ._locations import locate_base as locate_base
from ._opened_files import OpenedFiles as OpenedFiles
from ._opened_files import companions as companions
from ._sources import Checkpoint as Checkpoint
from ._sources import fetch_tokenizer as fetch_tokenizer
from ._sources import open_checkpoint as open_checkpoint
from ._stored import BLOCK as BLOCK
from ._stored import DTYPES as DTYPES
from ._stored import ReadableTensor as ReadableTensor
from ._stored import SizedTensor as SizedTensor
from ._stored import StoredTensor as StoredTensor
from ._stored import read_header as read_header
from ._stored_names import check_gathered as check_gathered
from ._stored_names import check_vocabulary as check_vocabulary
from ._stored_names import check_wrappers as check_wrappers
