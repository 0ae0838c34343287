"""What the codec is measured against. Each peer codes one changed frame after another, and decodes what it coded.

A peer is made for one sequence and has `code(before, after) -> int`: the bytes it needs for the change, without the
record's overhead, which is the same for all. Pictures are numpy arrays (height, width) of pixel values, or for the
byte-oriented peers (rows, bytes). A peer raises AssertionError when its own decoder does not give back the picture.
"""
