"""A hand drawn from capsules: the networks take it for a hand, its joints are known, and it is nobody's photo."""
import cv2
import numpy as np

# The back of a right hand held upright, u and v of its 21 joints and the fingers' half widths there, in hand lengths.
JOINTS = np.array([[0, 0],
                   [-.20, -.12], [-.33, -.27], [-.43, -.40], [-.52, -.52],
                   [-.17, -.46], [-.21, -.68], [-.23, -.81], [-.24, -.93],
                   [-.03, -.48], [-.03, -.73], [-.03, -.88], [-.03, -1.0],
                   [.10, -.45], [.13, -.67], [.15, -.81], [.16, -.93],
                   [.21, -.38], [.28, -.54], [.31, -.65], [.34, -.75]])
RADII = np.array([.13, .12, .085, .07, .055, .085, .072, .062, .052, .085, .072, .063, .053, .08, .068, .058, .05,
                  .075, .058, .05, .043])
SKIN, NAIL, WALL = np.array([222, 170, 142]), np.array([244, 205, 190]), np.array([205, 212, 216])


def draw_hand(width: int = 400, height: int = 400, length: float = 230, wrist: tuple = (215, 330)):
    """An image (height, width, 3) uint8 of a right hand seen from the back, upright, and its joints (21, 2) in pixels.

    `length` (wrist to middle fingertip) and `wrist` are in pixels.
    """
    joints = JOINTS * length + wrist
    radii = RADII * length
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    relief = np.zeros((height, width), np.float32)

    def capsule(start, end, start_radius, end_radius):
        bone = end - start
        along = np.clip((pixels - start) @ bone / (bone @ bone), 0, 1)
        off_axis = ((pixels - start - along[..., None] * bone) ** 2).sum(-1)
        radius = start_radius + (end_radius - start_radius) * along
        np.maximum(relief, np.sqrt(np.clip(radius ** 2 - off_axis, 0, None)), out=relief)

    capsule(joints[0] + [0, .9 * length], joints[0], .15 * length, .13 * length)  # the forearm
    for base in (5, 9, 13, 17):
        capsule(joints[0] + .15 * (joints[base] - joints[0]), joints[base], .12 * length, radii[base])
    capsule(joints[0] + .3 * (joints[1] - joints[0]), joints[1], .12 * length, .12 * length)
    for tip in (4, 8, 12, 16, 20):
        for joint in range(tip - 3, tip):
            capsule(joints[joint], joints[joint + 1], radii[joint], radii[joint + 1])

    hand = relief > 0
    relief = cv2.GaussianBlur(relief, (0, 0), .013 * length) * hand
    slope_v, slope_u = np.gradient(relief)
    normals = np.dstack([-slope_u, -slope_v, np.ones_like(relief)])
    light = np.array([-.35, -.5, .8]) / np.linalg.norm([-.35, -.5, .8])
    shade = .55 + .5 * np.clip(normals @ light / np.linalg.norm(normals, axis=-1), 0, 1)[..., None]
    image = np.where(hand[..., None], SKIN * shade, WALL)
    for tip in (4, 8, 12, 16, 20):
        nail = np.zeros((height, width), np.float32)
        bone = joints[tip] - joints[tip - 1]
        axes = (int(.85 * radii[tip]), int(.62 * radii[tip]))
        cv2.ellipse(nail, tuple(int(x) for x in joints[tip].round()), axes,
                    np.degrees(np.arctan2(bone[1], bone[0])), 0, 360, 1, -1)
        nail = cv2.GaussianBlur(nail, (0, 0), .007 * length)[..., None]
        image = image * (1 - nail) + nail * NAIL * (.9 * shade + .1)
        for joint in (tip - 2, tip - 1) if tip > 4 else (3,):  # wrinkles of the skin over the joints
            bone = (joints[joint + 1] - joints[joint]) / np.linalg.norm(joints[joint + 1] - joints[joint])
            across = np.array([-bone[1], bone[0]]) * .55 * radii[joint]
            folds = np.zeros((height, width), np.float32)
            for offset in (-.19, 0, .19):
                middle = joints[joint] + bone * offset * radii[joint]
                cv2.line(folds, tuple(int(x) for x in (middle - across).round()),
                         tuple(int(x) for x in (middle + across).round()), 1, 2)
            folds = .4 * cv2.GaussianBlur(folds, (0, 0), 1)[..., None]
            image = image * (1 - folds) + folds * SKIN * .45
    return image.round().astype(np.uint8), joints


def small_hand() -> tuple[np.ndarray, np.ndarray]:
    """A 1500 x 1000 picture of a bare wall with a hand of 60 pixels at its lower edge, and the hand's joints."""
    hand, joints = draw_hand(110, 110, length=60, wrist=(57, 85))
    image = np.broadcast_to(WALL, (1000, 1500, 3)).astype(np.uint8)
    image[890:, 1100:1210] = hand
    return image, joints + [1100, 890]
