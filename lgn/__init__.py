"""Logic gate networks: training core, metrics and run records. Data flows one way:
config -> data -> encoding -> network -> kernels -> training -> records."""

__version__ = "0.1.0"
