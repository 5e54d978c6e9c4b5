"""Does a subscriber of a flat plan use it himself, or does a program?"""
