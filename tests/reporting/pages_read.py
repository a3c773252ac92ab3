"""Reading a report as a browser does: tags, tables, numbers, paths."""

import html.parser
import re

import numpy as np

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Every tag with its attributes and its own text; checks that tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, len(self.tags) - 1))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def having(self, **wanted):
        return [a for _, a in self.tags if all(a.get(k) == v for k, v in wanted.items())]


def path_points(text, gid):
    group = re.search(rf'id="{gid}">\s*<path d="([^"]+)"', text, re.S).group(1)
    return np.array([[float(v) for v in p] for p in re.findall(r"[ML] (\S+) (\S+)", group)])


def drawn_points(text, name, curve="curve"):
    """Points of a curve in the frame of its chart, each axis from 0 to 1."""
    frame = path_points(text, f"{name}-frame")
    (left, top), (right, bottom) = frame.min(axis=0), frame.max(axis=0)
    x, y = path_points(text, f"{name}-{curve}").T
    return (x - left) / (right - left), (bottom - y) / (bottom - top)


def rows_in(text, table):
    """The cells of a table's body as they stand in the page."""
    body = re.search(rf'<table[^>]* id="{table}"[^>]*>(.*?)</table>', text, re.S).group(1)
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body.split("<tbody>", 1)[1], re.S)
    return [re.findall(r"<t[hd].*?</t[hd]>", row, re.S) for row in rows]


def cells(text, table):
    return [[re.sub("<[^>]+>", "", c) for c in row] for row in rows_in(text, table)]


def numbers_in(cell):
    return [float(v) for v in re.findall(r'<data value="([^"]+)">', cell)]


def row_of(text, name):
    """The numbers of a model's row in the comparison table, as machines read them."""
    row = re.search(rf'<tr data-model="{name}">(.*?)</tr>', text, re.S).group(1)
    return numbers_in(row), row
