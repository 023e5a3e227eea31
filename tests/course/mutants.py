"""Wrong answers by rule: each is a right answer in which one piece of code was replaced by another.

    mutants(code)      the lines that were changed, and the whole code with them, for each mutant
"""
import ast
from collections.abc import Iterator

OPERATORS = {ast.Add: [ast.Sub, ast.Mult], ast.Sub: [ast.Add, ast.Mult], ast.Mult: [ast.Add, ast.Div],
             ast.Div: [ast.Mult, ast.FloorDiv, ast.Sub], ast.Pow: [ast.Mult], ast.FloorDiv: [ast.Div],
             ast.Lt: [ast.LtE, ast.Gt, ast.Eq], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt, ast.NotEq],
             ast.GtE: [ast.Gt, ast.LtE], ast.Eq: [ast.NotEq, ast.GtE, ast.LtE], ast.NotEq: [ast.Eq, ast.Gt],
             ast.And: [ast.Or], ast.Or: [ast.And], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd]}
NAMES = [{"sum", "mean", "amax", "median"}, {"max", "min"}, {"amax", "amin"}, {"median", "amax", "amin"},
         {"std", "var", "mean"}, {"softmax", "log_softmax", "sigmoid"}, {"log", "log2", "log10", "log1p"},
         {"clamp_min", "clamp_max"}, {"argsort", "argmax"}, {"any", "all"}, {"ceil", "floor"}, {"round", "int"},
         {"cos", "sin"}, {"square", "abs", "sqrt"}, {"norm", "sum"}, {"eval", "train"}, {"rand", "randn"},
         {"no_grad", "enable_grad"}, {"bincount", "unique"}, {"enumerate", "reversed"}]
STRINGS = {"batchmean": ["mean", "sum"], "sum": ["mean", "none"]}
MODULES = ("torch", "F", "math", "np")


def mutants(code: str) -> Iterator[tuple[str, str]]:
    """Yield each mutant once: its changed lines, and its code."""
    tree = ast.parse(code)
    function, came = tree.body[0], {ast.unparse(tree)}
    inputs = [argument.arg for argument in function.args.args]
    if ast.get_docstring(function):
        function.body.pop(0)
    before = set(ast.unparse(tree).splitlines())
    for parent, field, place, node in places(function.body):
        for other in [*replacements(node, inputs)]:
            put(parent, field, place, other)
            changed = ast.unparse(tree)
            put(parent, field, place, node)
            if changed not in came:
                came.add(changed)
                yield "; ".join(line.strip() for line in changed.splitlines() if line not in before), changed


def places(body: list[ast.stmt]) -> list[tuple[ast.AST, str, int, ast.AST]]:
    """Every node of a body, with its parent, the field that it stands in, and its place there."""
    block = ast.Module(body, [])
    return [(parent, field, place, node) for parent in ast.walk(block) for field, value in ast.iter_fields(parent)
            for place, node in enumerate(value if isinstance(value, list) else [value]) if isinstance(node, ast.AST)]


def put(parent: ast.AST, field: str, place: int, node: ast.AST) -> None:
    """Let a node take this place."""
    if isinstance(value := getattr(parent, field), list):
        value[place] = node
    else:
        setattr(parent, field, node)


def replacements(node: ast.AST, inputs: list[str]) -> Iterator[ast.AST]:
    """Yield what may stand in a node's place."""
    if isinstance(node, ast.stmt):
        yield from statements(node)
    match node:
        case ast.BinOp(left, operator, right):
            yield from (ast.BinOp(left, other(), right) for other in OPERATORS.get(type(operator), ()))
            yield from (left, right)
            if not isinstance(operator, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
                yield ast.BinOp(right, operator, left)
        case ast.Compare(left, [operator], [right]):
            yield from (ast.Compare(left, [other()], [right]) for other in OPERATORS.get(type(operator), ()))
        case ast.BoolOp(operator, values):
            yield from (ast.BoolOp(OPERATORS[type(operator)][0](), values), *values)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield from (ast.IfExp(test, orelse, body), body, orelse)
        case ast.Constant(value):
            yield from map(ast.Constant, constants(value))
        case ast.Name(name, ast.Load()) if name in inputs:
            yield from (ast.Name(other, ast.Load()) for other in inputs if other != name)
        case ast.Call():
            yield from calls(node)
        case ast.Subscript(value, ast.Slice(lower, upper), context):
            bounds = ((None, None), (upper, lower), (step(lower), upper), (lower, step(upper)))
            yield from (ast.Subscript(value, ast.Slice(*pair), context) for pair in bounds)


def statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield what may stand in place of a statement: nothing, another condition, another result."""
    match node:
        case ast.If(test, body, orelse):
            yield from (ast.If(ast.UnaryOp(ast.Not(), test), body, orelse), ast.Pass(), body[0])
        case ast.With(_, [first, *_]):
            yield first
        case ast.Assign() | ast.AugAssign() | ast.Expr():
            yield ast.Pass()
        case ast.Return(value) if value is not None:
            yield from (ast.Return(ast.BinOp(ast.Constant(factor), ast.Mult(), value)) for factor in (-1, 2, 1.02))
            yield ast.Return(ast.BinOp(value, ast.Add(), ast.Constant(1)))


def constants(value: object) -> list:
    """What may stand in place of a number, True, False, or the name of a reduction."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [other for other in (0, 1, -1, value + 1, value - 1, 2 * value, value / 2) if other != value]
    return STRINGS.get(value, []) if isinstance(value, str) else []


def calls(node: ast.Call) -> Iterator[ast.AST]:
    """Yield a call by other names, with arguments swapped, without one of them, and what it was called on instead."""
    function, arguments, keywords = node.func, node.args, node.keywords
    method = isinstance(function, ast.Attribute)
    name = function.attr if method else getattr(function, "id", "")
    for other in sorted(set().union(*(names for names in NAMES if name in names)) - {name}):
        renamed = ast.Attribute(function.value, other, ast.Load()) if method else ast.Name(other, ast.Load())
        yield ast.Call(renamed, arguments, keywords)
    for place in range(len(arguments) - 1):
        swapped = [*arguments[:place], arguments[place + 1], arguments[place], *arguments[place + 2:]]
        yield ast.Call(function, swapped, keywords)
    for place in range(len(keywords)):
        yield ast.Call(function, arguments, keywords[:place] + keywords[place + 1:])
    if method and getattr(function.value, "id", "") not in MODULES:
        yield function.value
    elif arguments:
        yield arguments[0]


def step(bound: ast.AST | None) -> ast.AST:
    """The bound of a slice, one further."""
    return ast.Constant(1) if bound is None else ast.BinOp(bound, ast.Add(), ast.Constant(1))
