"""Networks that `predict_bins` takes."""

import pytest
import torch

from factornet.model import predict_bins
from factornet.store import UsageError


def test_a_network_of_another_kind_is_refused_with_where_to_read():
    with pytest.raises(UsageError, match=r"Linear is no network of factornet; .*own-networks"):
        predict_bins(torch.nn.Linear(2, 1), None, "K562", None, device=torch.device("cpu"))  # type: ignore[arg-type]
