"""The one module that is compiled. Without a C compiler it is left out, and records are read in Python."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("streams.step.scanner", ["streams/step/scanner.pyx"], optional=True)])
