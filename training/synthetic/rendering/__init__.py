"""Draws people: clothed bodies in given poses, the things they use, rooms and streets around them, as a camera sees it.

Everything is a pure function of its arguments and of a seed; `training.synthetic.rendering.scene.render` is the way in.
The body is MakeHuman's mesh (asset `body`, CC0); everything else is made here. Drawing needs numba (extra `train`).
"""
