"""First-order effects of a direction: gradients, directional derivatives and Fisher traces."""

from ._conflicts import count_conflicts as count_conflicts
from ._fisher import fisher_traces as fisher_traces
from ._gradients import GradientDirection as GradientDirection
from ._gradients import WeighedLoss as WeighedLoss
from ._gradients import gradient_obstacle as gradient_obstacle
from ._gradients import loss_gradient as loss_gradient
from ._module_changes import ModuleChange as ModuleChange
from ._module_changes import parameters_inside as parameters_inside
from ._slope_hooks import HiddenGradients as HiddenGradients
from ._slopes import SlopeMeter as SlopeMeter
from ._slopes import Slopes as Slopes
