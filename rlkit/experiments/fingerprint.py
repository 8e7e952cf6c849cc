"""Which code an experiment depends on, as a few digits for each module, so that outdated results can be found.

An experiment depends on every function, class and constant of rlkit that can be reached from it by name. Comments,
docstrings, formatting, type hints of functions and the texts of errors do not count. A class counts as a whole.
Python's version makes no difference: the digits come from the syntax tree, not from bytecode.
"""

import ast
import hashlib
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PRESETS = "rlkit.presets"
UNIMPORTANT = {"annotation", "ctx", "kind", "msg", "returns", "type_comment"}  # fields of the tree


def code_of(experiment):
    """Digits for each module that a function depends on: {"rlkit.dqn": "5e0c1f2a", ...}."""
    found = defaultdict(list)
    for module, name in sorted(reached(experiment)):
        found[module].append((name, piece(module, name)[0]))
    return {module: hashlib.sha256(repr(pieces).encode()).hexdigest()[:8] for module, pieces in found.items()}


def reached(experiment):
    """The functions, classes and constants that a function of rlkit depends on, itself included -> {(module, name)}.

    The name "" is what a module does when it is imported, besides defining things.
    """
    seen, todo = set(), [(experiment.__module__, experiment.__name__)]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo += [(here[0], ""), *piece(*here)[1]]
    return {here for here in seen if piece(*here)[0]}


@cache
def piece(module, name):
    """One piece of code -> (its shape, the names that it uses)."""
    imported, defined, always = contents(module)
    if name in imported:
        return [], [imported[name]]
    nodes = defined.get(name, []) if name else always
    return [shape(node) for node in nodes], [used for node in nodes for used in names(node, module)]


@cache
def contents(module):
    """The top level of a module of rlkit: what it imports from rlkit, what it defines, and what it always runs.

    -> ({name: (module, its name there)}, {name: statements}, statements). The name of a whole module is "*".
    """
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    imported, defined, always = {}, defaultdict(list), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "rlkit":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                imported[alias.asname or alias.name] = (whole, "*") if is_module(whole) else (node.module, alias.name)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name].append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        defined[part.id].append(node)
        elif not (isinstance(node, ast.Import | ast.ImportFrom) or is_text(node) or is_main(node)):
            always.append(node)
    defined["*"] = [node for nodes in list(defined.values()) for node in nodes]
    return imported, defined, always


def names(node, module):
    """The names that a piece of code uses, each with its module -> iterator of (module, name)."""
    imported, *_ = contents(module)
    match node:
        case ast.Raise():
            return
        case ast.Call(func=ast.Name(id=function), args=[ast.Constant(value=str(preset)), *_]) if imported.get(
            function
        ) == (PRESETS, "preset"):  # only this preset counts
            yield PRESETS, preset.replace("-", "_")
            children = node.args + node.keywords
        case ast.Attribute(value=ast.Name(id=name)) if imported.get(name, ("", ""))[1] == "*":
            yield imported[name][0], node.attr
            return
        case ast.Name():
            yield module, node.id
            return
        case _:
            children = ast.iter_child_nodes(node)
    for child in children:
        yield from names(child, module)


def shape(node):
    """What a piece of code does, as nested lists and plain values, the same in every version of Python."""
    if isinstance(node, list):
        return [shape(part) for part in node if not is_text(part)]
    if isinstance(node, ast.Raise):
        return ["Raise"]
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty strings to some
        return ["JoinedStr", [shape(part) for part in node.values if getattr(part, "value", None) != ""]]
    if isinstance(node, ast.AnnAssign):  # of a dataclass: its fields' types are checked
        return ["AnnAssign", shape(node.target), shape(node.annotation), shape(node.value)]
    if isinstance(node, ast.AST):
        fields = [[name, shape(value)] for name, value in ast.iter_fields(node) if name not in UNIMPORTANT]
        return [type(node).__name__, *(field for field in fields if field[1] not in (None, []))]
    return node if node is None else repr(node)


def is_text(node):
    """Is it a docstring, or another string that stands alone?"""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_main(node):
    """Is it `if __name__ == "__main__":`?"""
    return isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ ==")


@cache
def is_module(name):
    folder = Path(find_spec("rlkit").origin).parent.parent
    path = folder.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
