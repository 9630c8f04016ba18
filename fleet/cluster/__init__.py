"""The fleet's machines as a Ray cluster: it knows the nodes and starts their agents. Only this package imports Ray.

Neither frames nor results go through Ray, and neither an engine nor the coordinator needs it to go on.
"""
