"""Names, order and tree of the hand's joints: the 21 reported joints and MANO's 16 posed joints; its mirror image."""
import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "little")

# The 21 reported joints in FreiHAND, OpenPose and MediaPipe order.
JOINT_NAMES = ("wrist",
               "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
               "index_mcp", "index_pip", "index_dip", "index_tip",
               "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
               "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
               "little_mcp", "little_pip", "little_dip", "little_tip")
JOINT_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, joint) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0)
FINGER_OF_JOINT = (None,) + tuple(finger for finger in FINGERS for _ in range(4))

# The joints that MANO poses, in MANO's order, and where each stands among the 21.
MANO_JOINT_NAMES = ("wrist",
                    "index1", "index2", "index3", "middle1", "middle2", "middle3",
                    "little1", "little2", "little3", "ring1", "ring2", "ring3",
                    "thumb1", "thumb2", "thumb3")
MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
MANO_TO_JOINT = (0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3)
TIP_JOINTS = (4, 8, 12, 16, 20)  # thumb .. little
PALM_JOINTS = (0, 5, 9, 13, 17)  # wrist and knuckles: the part that is nearly rigid
# The rest pose of a right hand: its fingers point along -x, its back along y, its thumb to z. Axes that joints bend
# about, and directions of the outer bones.
FINGER_DIRECTION = np.array([-1.0, 0.0, 0.0])
FINGER_FLEXION_AXIS = np.array([0.0, 0.0, 1.0])
THUMB_DIRECTION = np.array([-0.61, -0.42, 0.67])  # of the open hand's, from MCP to IP
THUMB_FLEXION_AXIS = np.array([0.36, -0.91, 0.21])  # by the normal of the open hand's thumbnail; not of unit length
MIRROR = np.array([-1.0, 1, 1])  # x -> -x, which turns a right hand into a left one
