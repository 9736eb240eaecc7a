"""The hand in MANO's format: its files, its layer in torch, MANO's and SMPL-X's conventions, rotations."""
