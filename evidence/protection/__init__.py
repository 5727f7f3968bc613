"""Does protecting what the map calls fragile protect the capabilities?"""
