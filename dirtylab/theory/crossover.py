"""Where two curves of cost meet."""

import numpy as np
import numpy.typing as npt


def crossings(x: npt.ArrayLike, ratio: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return where a measured ratio of two costs passes 1, straight lines between log-log points.

    Parameters
    ----------
    x : array_like of float
        Positive, ascending; dirty frames, say.
    ratio : array_like of float
        Positive; cost of the one over cost of the other at each `x`.

    Returns
    -------
    numpy.ndarray
        Ascending, empty when the curves do not cross between the points.

    Examples
    --------
    >>> crossings([1, 100], [10, 0.1])
    array([10.])
    """
    place, height = np.log(np.asarray(x, float)), np.log(np.asarray(ratio, float))
    left = np.flatnonzero(height[:-1] * height[1:] < 0)
    share = height[left] / (height[left] - height[left + 1])
    between = place[left] + share * (place[left + 1] - place[left])
    on_a_point = place[height == 0]
    found: npt.NDArray[np.float64] = np.exp(np.sort(np.concatenate([between, on_a_point])))
    return found
