"""Specs: strict YAML with positions, read into frozen models."""

from mlspec.spec.assets import asset_dir
from mlspec.spec.load import load_model, load_spec
from mlspec.spec.profile import SolverProfile, find_profile, profile_names, profiles
from mlspec.spec.schema import ExperimentSpec
from mlspec.spec.source import Source
from mlspec.spec.template import spec_template
from mlspec.spec.training import TrainingSpec

__all__ = [
    "ExperimentSpec",
    "SolverProfile",
    "Source",
    "TrainingSpec",
    "asset_dir",
    "find_profile",
    "load_model",
    "load_spec",
    "profile_names",
    "profiles",
    "spec_template",
]
