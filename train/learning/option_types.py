"""Types of a recipe's options: a text is no number, a number no truth value, and every number has its range."""
from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from handpose.network.checkpoint import one_line

MOST = 10 ** 9  # of anything that is counted

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Multiple = Annotated[float, Field(strict=True, ge=0, le=100)]  # of something that is there anyway
Positive = Annotated[float, Field(strict=True, gt=0, le=MOST)]
Weight = Annotated[float, Field(strict=True, ge=0, le=MOST)]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]
CountOrNone = Annotated[int, Field(strict=True, ge=0, le=MOST)]  # none at all is a number, too
Place = Annotated[str, Field(strict=True, min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Switch = Annotated[bool, Field(strict=True)]
OPTIONS = ConfigDict(extra="forbid", allow_inf_nan=False)


def first_fault(error: ValidationError) -> str:
    """The first of what pydantic found, such as "augment.cutout: Input should be less than or equal to 1"."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = f"{'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""
    return one_line(ValueError(where + fault["msg"].removeprefix("Value error, ")))
