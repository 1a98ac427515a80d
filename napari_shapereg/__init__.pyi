from .errors import (
    EngineError as EngineError,
    InputError as InputError,
    MissingExtraError as MissingExtraError,
    ResourceError as ResourceError,
    ShapeRegError as ShapeRegError,
)
from .fidelities import (
    Currents as Currents,
    EnergyDistance as EnergyDistance,
    Fidelity as Fidelity,
    HausdorffDivergence as HausdorffDivergence,
    KernelNorm as KernelNorm,
    LabelledFidelity as LabelledFidelity,
    OptimalTransport as OptimalTransport,
    OrientedVarifold as OrientedVarifold,
    PositionAndNormal as PositionAndNormal,
    SinkhornDivergence as SinkhornDivergence,
    SoftMin as SoftMin,
    TransportPlan as TransportPlan,
    UnorientedVarifold as UnorientedVarifold,
    descent_field as descent_field,
)
from .measures import (
    Measure as Measure,
    coarsen as coarsen,
    measure_from_labels as measure_from_labels,
)
from .quality import (
    inverse_consistency as inverse_consistency,
    label_agreement as label_agreement,
    regularity as regularity,
)
from .reductions.kernels import (
    CauchyKernel as CauchyKernel,
    EnergyKernel as EnergyKernel,
    GaussianKernel as GaussianKernel,
    LaplacianKernel as LaplacianKernel,
    SumKernel as SumKernel,
)
from .registration import (
    RegisteredPair as RegisteredPair,
    RegistrationResult as RegistrationResult,
    RegistrationSettings as RegistrationSettings,
    RegistrationState as RegistrationState,
    SavedResult as SavedResult,
    Status as Status,
    iter_registration as iter_registration,
    read_result as read_result,
    register as register,
)
from .transforms import (
    read_transform as read_transform,
    resample_image as resample_image,
    resample_labels as resample_labels,
    transform_points as transform_points,
    write_transform as write_transform,
)
from .volumes import (
    ImageGrid as ImageGrid,
    LabelVolume as LabelVolume,
    read_labels as read_labels,
    sample_pair as sample_pair,
    write_labels as write_labels,
)

__version__: str
