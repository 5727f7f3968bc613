"""Python snippets as four-way questions: which token continues the code correctly.

Snippets were written for this suite. The distractors are tokens that are common in
the same position in other programs.
"""

from __future__ import annotations

from ._items import Item, Question, multiple_choice

_SNIPPETS = {
    "variable": (
        ("def double(x):\n    return 2 *", " x", " y", " n", " a"),
        ("def add(a, b):\n    return a +", " b", " a", " c", " x"),
        ("for name in names:\n    print(", "name", "names", "i", "self"),
        ("for i in range(10):\n    total +=", " i", " x", " j", " n"),
        ("total = 0\nfor price in prices:\n    total +=", " price", " prices", " total", " i"),
        ("with open(path) as f:\n    text =", " f", " path", " open", " text"),
        ("result = []\nfor x in data:\n    result.append(", "x", "result", "data", "i"),
        ("width = 3\nheight = 4\narea = width *", " height", " width", " area", " length"),
    ),
    "keyword": (
        ("while", " True", " None", " self", " import"),
        ("for i", " in", " is", " of", " =="),
        ("from math", " import", " as", " in", " from"),
        ("import numpy", " as", " in", " is", " from"),
        ("if x is not", " None", " self", " x", " return"),
        ("try:\n    run()\n", "except", "else", "if", "for"),
        ("if a > b:\n    return a\n", "else", "except", "with", "import"),
        ("with open(path)", " as", " in", " is", " for"),
    ),
    "library": (
        ("import numpy as", " np", " pd", " plt", " tf"),
        ("import pandas as", " pd", " np", " plt", " os"),
        ("import matplotlib.pyplot as", " plt", " np", " pd", " sns"),
        ("import os\n\nhere = os.", "path", "random", "sleep", "append"),
        ("import random\n\nn = random.", "rand", "path", "sleep", "load"),
        ("import time\n\nstart = time.", "time", "path", "rand", "append"),
        ("import json\n\ndata = json.", "load", "path", "sqrt", "append"),
        ("import math\n\nroot = math.", "sqrt", "path", "load", "append"),
    ),
    "method": (
        ("numbers = []\nnumbers.", "append", "add", "keys", "split"),
        ("words = 'one two three'.", "split", "append", "keys", "pop"),
        ("line = '  hello  '.", "strip", "append", "keys", "pop"),
        ("ages = {'Ann': 3}\nfor name in ages.", "keys", "append", "strip", "split"),
        ("text = ', '.", "join", "append", "keys", "pop"),
        ("def save(path, text):\n    with open(path, 'w') as f:\n        f.", "write", "read", "append", "split"),
        ("def load(path):\n    with open(path) as f:\n        return f.", "read", "write", "append", "split"),
        ("name = 'anna'\nprint(name.", "upper", "append", "sort", "pop"),
    ),
    "punctuation": (
        ("def main()", ":", " =", ",", "."),
        ("values = [1, 2, 3", "]", ")", "}", ":"),
        ("point = (3, 4", ")", "]", "}", ":"),
        ("ages = {'Ann'", ":", ",", "]", ")"),
        ("print('hello'", ")", "]", "}", ":"),
        ("class Dog", ":", " =", ",", "]"),
        ("if x == 3", ":", " =", "]", ";"),
        ("first = items[0", "]", ")", "}", ":"),
    ),
    "operator": (
        ("def subtract(a, b):\n    return a", " -", " +", " *", " /"),
        ("def multiply(a, b):\n    return a", " *", " +", " -", " /"),
        ("def divide(a, b):\n    return a", " /", " +", " -", " *"),
        ("def is_even(n):\n    return n", " %", " +", " -", " *"),
        ("def is_positive(n):\n    return n", " >", " <", " +", " *"),
        ("count = 0\nwhile count < 5:\n    count", " +=", " ==", " <", " -"),
        ("def square(x):\n    return x", " *", " +", " -", " <"),
        ("def is_equal(a, b):\n    return a", " ==", " +", " -", " *"),
    ),
    "class": (
        ("class Dog:\n    def __init__(", "self", "dog", "name", "x"),
        ("class Dog:\n    def __init__(self, name):\n        self.", "name", "dog", "age", "self"),
        ("class Dog:\n    def __", "init", "main", "name", "self"),
        ("if __name__ ==", " '__", " 'main", " None", " True"),
        ("class Stack:\n    def push(self, item):\n        self.items.", "append", "pop", "split", "join"),
        ("class Stack:\n    def pop(self):\n        return self.items.", "pop", "append", "split", "join"),
        ("def __len__(self):\n    return", " len", " self", " None", " sum"),
        ("class Cat(Animal):\n    def __init__(self):\n        super", "().", ".", "(self", " ="),
    ),
    "value": (
        ("def is_adult(age):\n    return age >=", " ", " True", " age", " None"),
        ("def is_empty(items):\n    return len(items) ==", " ", " True", " len", " None"),
        ("found = False\nfor x in data:\n    if x == target:\n        found =", " True", " False", " None", " x"),
        ("def first(items):\n    if not items:\n        return", " None", " items", " True", " first"),
        ("x = 5\ny = 7\nprint(x +", " y", " x", " z", " n"),
        ("def largest(items):\n    return", " max", " min", " len", " sum"),
        ("def smallest(items):\n    return", " min", " max", " len", " sum"),
        ("def count(items):\n    return", " len", " min", " max", " print"),
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; each choice is one token of common tokenizers.
    """
    questions = [
        Question(prompt, right, tuple(wrong))
        for snippets in _SNIPPETS.values()
        for prompt, right, *wrong in snippets
    ]
    return multiple_choice("code", questions, seed=41)
