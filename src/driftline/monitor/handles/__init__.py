"""Access to a running trainer: its model, shards, data rows and states, left as found."""

from ._dataset_rows import first_rows as first_rows
from ._live import CapabilityWatch as CapabilityWatch
from ._live import ItemValues as ItemValues
from ._live import LiveModel as LiveModel
from ._live import score_items as score_items
from ._offloaded_copy import OffloadedCopy as OffloadedCopy
from ._offloaded_copy import standing_at as standing_at
from ._sharded import agreed as agreed
from ._sharded import is_main as is_main
from ._sharded import is_sharded as is_sharded
from ._sharded import local as local
from ._sharded import mean_over_processes as mean_over_processes
from ._sharded import norm as norm
from ._sharded import rank as rank
from ._sharded import reshard as reshard
from ._sharded import summed as summed
from ._sharded import trained_parameters as trained_parameters
from ._sharded import wait_for_all as wait_for_all
from ._snapshots import BaseWeights as BaseWeights
from ._snapshots import SnapshotRing as SnapshotRing
from ._snapshots import lora_change as lora_change
from ._snapshots import quarantine_checkpoints as quarantine_checkpoints
from ._untouched import put as put
from ._untouched import untouched as untouched
from ._untouched import weights_put_back as weights_put_back
