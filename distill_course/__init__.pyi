"""What editors and type checkers are shown: they cannot follow __getattr__."""
from .comparisons import paired as paired
from .comparisons import stored as stored
from .diagnosis import diagnose as diagnose
from .diagnosis import faulty as faulty
from .diagnosis import probe as probe
from .exercises import Prediction as Prediction
from .exercises import check as check
from .gallery import Gallery as Gallery
from .lab import Lab as Lab
from .statistics import Paired as Paired
