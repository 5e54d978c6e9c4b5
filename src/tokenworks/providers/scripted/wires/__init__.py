"""The protocols the scripted provider speaks, one a file, each written from its own reference.

Nothing is shared with the gateway's own ``wire`` room: a mistake there must not be repeated here.
"""
