"""A 3D hand mesh from one photo.

    from handpose import HandEstimator, load_photo

    result = HandEstimator.load()(load_photo("hand.jpg"))
"""
from importlib import import_module

_HOMES = {"Camera": "camera", "Hand": "hand", "HandBox": "detection.region", "HandEstimator": "estimator",
          "HandModel": "hand_model.model", "HandTracker": "tracker", "Photo": "image", "PhotoError": "image",
          "Result": "hand", "load_photo": "image"}
__all__ = list(_HOMES)


def __getattr__(name: str):
    """Imports a public name when it is first used, so that `--help` need not wait for all of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
