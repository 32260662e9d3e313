"""Studies of where time and memory go on one machine; they look inside sqznet.

What compares sqznet with others, or one build with another, is in the folder above.
"""
