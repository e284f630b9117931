from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class Scanner:
    def __init__(
        self, mechanisms: dict[bytes, int], sources: dict[bytes, int], addresses: dict[bytes, int]
    ) -> None: ...
    def scan(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None,
        ids: list[str],
        whole: NDArray[np.int64],
        real: NDArray[np.float64],
    ) -> list[int]: ...
