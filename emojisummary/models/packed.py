"""Linear layers that are quick at a single text: their weights lie in the order in which oneDNN multiplies them.

With the dozen tokens of a text each weight is used so seldom that fetching and reordering it takes longer than multiplying; at
a batch of texts the plain layers are the quicker ones.
"""

from copy import deepcopy

import torch
from torch import nn

TOKENS = 16  # of a typical text: what the order is chosen for; any number can be read


class PackedLinear(nn.Module):
    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), TOKENS)
        self.bias = linear.bias

    def forward(self, states):
        return torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, "none", [], "")


@torch.no_grad()
def packed(model: nn.Module) -> nn.Module:
    """The model with packed linear layers, all else shared with it; the model itself where PyTorch has no oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return model
    twin = deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    for parent in list(twin.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Linear):
                setattr(parent, name, PackedLinear(layer))
    return twin
