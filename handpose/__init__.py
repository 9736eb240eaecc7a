"""A 3D hand mesh from one photo.

    from handpose import HandEstimator, load_photo

    photo = load_photo("hand.jpg")
    hands = HandEstimator.load()(photo.rgb)
"""
from importlib import import_module

_HOMES = {"Camera": "camera", "Hand": "hand", "HandEstimator": "estimator", "HandModel": "hand_model.model",
          "Photo": "image", "PhotoError": "image", "guess_lens": "lens", "load_photo": "image"}
__all__ = list(_HOMES)


def __getattr__(name: str):
    """Imports a public name when it is first used, so that `--help` need not wait for all of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
