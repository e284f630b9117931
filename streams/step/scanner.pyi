from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

class Scanner:
    def __init__(
        self,
        mechanisms: dict[bytes, int],
        statuses: tuple[int, int],
        sources: dict[bytes, int],
        addresses: dict[bytes, int],
        meet_source: Callable[[bytes], int],
        meet_address: Callable[[bytes], int],
    ) -> None: ...
    def scan(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None,
        ids: list[str],
        whole: NDArray[np.int64],
        counts: NDArray[np.int32],
        mechanism: NDArray[np.int16],
        flags: NDArray[np.int8],
        measures: NDArray[np.float32],
    ) -> list[int]: ...
