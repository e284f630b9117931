"""The modules that are compiled. Without a C compiler they are left out: Python and NumPy do the same, slower."""

import numpy as np
from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("streams.packed", ["streams/packed.pyx"], optional=True),
        Extension("streams.step.packed_ids", ["streams/step/packed_ids.pyx"], optional=True),
        Extension("streams.step.scanner", ["streams/step/scanner.pyx"], optional=True),
        *(
            Extension(
                f"detectors.columns.{name}",
                [f"detectors/columns/{name}.pyx"],
                depends=["detectors/columns/_hands.pxd"],
                include_dirs=[np.get_include()],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                # A product that is rounded together with its sum would differ from NumPy's in the last bit.
                extra_compile_args=["-ffp-contract=off"],
                optional=True,
            )
            for name in ("_coming", "_counting", "_finding", "_stages")
        ),
    ]
)
