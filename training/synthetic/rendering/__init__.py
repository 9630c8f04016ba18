"""Rendering of clothed people in given poses, with the objects they use and their surroundings.

Everything depends only on its arguments and a seed; `training.synthetic.rendering.scene.render` is the entry point. The
body is MakeHuman's mesh (asset `body`, CC0); everything else is made here. Rendering needs numba (extra `train`).
"""
