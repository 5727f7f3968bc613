"""Python snippets as four-way questions: what continues the code correctly.

Snippets were written for this suite. The distractors are words or signs that are common
in the same position in other programs. Where the small reference model had no doubt at
all, many of them were replaced by closer ones.
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
        ("found = False\nwhile", " not", " is", " in", " import"),
        ("for i", " in", " of", " =", " range"),
        ("import os\nfrom math", " import", " as", " in", " from"),
        ("import numpy", " as", " in", " is", " from"),
        ("if x is not", " None", " True", " x", " len"),
        ("try:\n    run()\n", "except", "else", "if", "for"),
        ("if a > b:\n    return a\n", "else", "except", "with", "import"),
        ("with open(path)", " as", " in", " is", " for"),
    ),
    "library": (
        ("import numpy as", " np", " pd", " plt", " tf"),
        ("import pandas as", " pd", " np", " plt", " os"),
        ("import matplotlib.pyplot as", " plt", " np", " pd", " sns"),
        ("import os\n\nhere = os.", "path", "random", "sleep", "append"),
        ("import random\n\nn = random.", "randint", "shuffle", "seed", "path"),
        ("import time\n\nstart = time.", "time", "sleep", "now", "date"),
        ("import json\n\ndata = json.", "load", "dump", "read", "open"),
        ("import math\n\nroot = math.", "sqrt", "sin", "pi", "log"),
    ),
    "method": (
        ("numbers = []\nnumbers.", "append", "add", "keys", "split"),
        ("words = 'one two three'.", "split", "append", "keys", "pop"),
        ("line = '  hello  '.", "strip", "append", "keys", "pop"),
        ("ages = {'Ann': 3}\nfor name in ages.", "keys", "append", "strip", "split"),
        ("sentence = 'one two'\nwords = sentence.", "split", "join", "strip", "upper"),
        (
            "def save(path, text):\n    with open(path, 'w') as f:\n        f.",
            "write",
            "read",
            "close",
            "open",
        ),
        (
            "def load(path):\n    with open(path) as f:\n        return f.",
            "read",
            "write",
            "close",
            "open",
        ),
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
        ("count = 0\nwhile count < 5:\n    count", " +=", " -=", " =", " *="),
        ("def square(x):\n    return x", " *", " +", " -", " <"),
        ("def is_equal(a, b):\n    return a", " ==", " +", " -", " *"),
    ),
    "class": (
        ("class Dog:\n    def __init__(", "self", "this", "name", "cls"),
        ("class Dog:\n    def __init__(self, name):\n        self.", "name", "dog", "age", "size"),
        ("def __len__(self):\n    return", " len", " self", " None", " sum"),
        ("class Cat(Animal):\n    def __init__(self):\n        super", "().", ".", "(self", " ="),
    ),
    "value": (
        ("def is_adult(age):\n    return age >=", " 18", " 5", " 40", " 80"),
        ("def is_empty(items):\n    return len(items) ==", " 0", " 1", " 2", " 3"),
        (
            "found = False\nfor x in data:\n    if x == target:\n        found =",
            " True",
            " False",
            " None",
            " x",
        ),
        (
            "def first(items):\n    if not items:\n        return",
            " None",
            " items",
            " True",
            " first",
        ),
        ("x = 5\ny = 7\nprint(x +", " y", " x", " z", " n"),
        ("def largest(items):\n    return", " max", " min", " len", " sum"),
        ("def smallest(items):\n    return", " min", " max", " len", " sum"),
        ("def count(items):\n    return", " len", " min", " max", " print"),
    ),
    "meaning": (
        ("def is_negative(n):\n    return n", " <", " >", " +", " =="),
        ("def average(values):\n    return sum(values) /", " len", " sum", " max", " min"),
        ("def is_odd(n):\n    return n % 2 ==", " 1", " 0", " 2", " 3"),
        ("def last(items):\n    return items[", "-1", "0", "1", "2"),
        ("def reverse(text):\n    return text[::", "-1", "1", "2", "0"),
        ("def cube(x):\n    return x **", " 3", " 2", " 4", " 1"),
        ("def half(x):\n    return x /", " 2", " 3", " 4", " 1"),
        ("def hours_to_minutes(hours):\n    return hours *", " 60", " 10", " 24", " 12"),
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; each choice is one word, number or sign.
    """
    questions = [
        Question(prompt, right, tuple(wrong))
        for snippets in _SNIPPETS.values()
        for prompt, right, *wrong in snippets
    ]
    return multiple_choice("code", questions, seed=41)
