"""May this key call?"""
