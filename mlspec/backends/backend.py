"""One solver as its profile declares it."""

from __future__ import annotations

from dataclasses import replace

from mlspec.backends.checks import failure
from mlspec.backends.engine import PATIENCE, Engine, Patience, SolverInterface
from mlspec.backends.program import Layout, LinearProgram, arrays_of
from mlspec.backends.session import ProgramSession
from mlspec.core.deadline import Deadline
from mlspec.errors import LicenceError, MlspecError, SolverError
from mlspec.milp.model import MilpModel
from mlspec.spec import SolverProfile


class ProgramBackend:
    """A solver with its limits, options and licence."""

    def __init__(self, profile: SolverProfile, interface: SolverInterface) -> None:
        self.profile = profile
        self.name = profile.name
        self._interface = interface

    @property
    def version(self) -> str:
        """The version that is installed; raises MissingSolverError."""
        return self._interface.version()

    @property
    def versions(self) -> dict[str, str]:
        """The version by the name of the solver."""
        return {self.name: self.version}

    @property
    def limited(self) -> bool:
        """Whether some model could be too large for its licence."""
        return self.profile.free_licence is not None

    @property
    def certifies(self) -> bool:
        """Whether its answers to decisions rest on dual bounds in float64."""
        return self._interface.certifies

    def probe(self) -> None:
        """Raise MissingSolverError, LicenceError or OptionError where a solve would."""
        self._loaded(LinearProgram.of_size(1, 1))

    def allows(self, variables: int, constraints: int) -> bool:
        """Say whether a model of this size is within the licence that is installed."""
        limit = self.profile.free_licence
        if limit is None or limit.fits(variables, constraints):
            return True
        # Over the free limit the solver itself knows best: there may be a full licence.
        try:
            self._loaded(LinearProgram.of_size(variables, constraints)).run(Deadline.after(1.0))
        except LicenceError:
            return False
        return True

    def open(self, model: MilpModel) -> ProgramSession:
        """Load ``model``; raises LicenceError where it is too large."""
        return self.open_program(model, *arrays_of(model))

    def open_program(
        self, model: MilpModel, program: LinearProgram, layout: Layout
    ) -> ProgramSession:
        """Load ``model``, given its arrays."""
        self.require(program.columns, program.rows)
        engine = self._loaded(program, model.decision)
        return ProgramSession(
            model, program, layout, engine, self._patience(), certifies=self.certifies
        )

    def require(self, variables: int, constraints: int) -> None:
        """Raise LicenceError where a model of this size is too large."""
        if not self.allows(variables, constraints):
            limit = self.profile.free_licence
            ends = f", which ends at {limit.variables:,} and {limit.constraints:,}" if limit else ""
            raise LicenceError(
                f"the model has {variables:,} variables and {constraints:,} constraints, too many "
                f"for the licence of {self._interface.title} that is installed{ends}: take another "
                "solver (solver: auto), fewer layers (layers: {count: N}), or a full licence"
            )

    def description(self, variables: int, constraints: int) -> str:
        """Return name, version and licence, whatever the size of the model."""
        return f"{self.name} {self.version}; {self.profile.licence}"

    def _loaded(self, program: LinearProgram, first: bool = False) -> Engine:
        """Load ``program``; with ``first``, a run ends at the first feasible point.

        Raises SolverError where the solver itself fails at that.
        """
        try:
            return self._interface.load(program, self.profile.native_options(), first)
        except MlspecError:
            raise
        except Exception as error:  # whatever a solver raises, it is no answer
            said = failure(error).message
            raise SolverError(f"{self._interface.title} cannot load a model: {said}") from error

    def _patience(self) -> Patience:
        """Return how long one call may take at most, by limit or option."""
        profile = self.profile
        options = [profile.options.get(name) for name in profile.native.get("seconds", ())]
        given = [profile.limits.seconds, *options]
        seconds = [float(each) for each in given if each is not None]
        return replace(PATIENCE, most_seconds=min([PATIENCE.most_seconds, *seconds]))
