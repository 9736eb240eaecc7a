"""Hands with a skeleton, for programs that animate: a skinned mesh, its motion, and files of both (glTF, BVH)."""
