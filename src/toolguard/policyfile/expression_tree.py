"""The syntax tree of a compiled CEL expression, as the engine hands it out.

The engine serialises a checked expression as the protobuf message ``cel.expr.CheckedExpr`` (cel-spec,
proto/cel/expr/checked.proto and syntax.proto). Only the fields read here are declared; protobuf carries
the others through unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Expr", "children", "dump", "kind_of", "literal", "load"]

Expr: TypeAlias = Any
"""A ``cel.expr.Expr`` message (built at run time, so without static fields)."""

_PACKAGE = "toolguard.cel"
_FIELDS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "Constant": (("null_value", 1, "int64"), ("bool_value", 2, "bool"), ("int64_value", 3, "int64"),
                 ("uint64_value", 4, "uint64"), ("double_value", 5, "double"), ("string_value", 6, "string"),
                 ("bytes_value", 7, "bytes")),
    "Ident": (("name", 1, "string"),),
    "Select": (("operand", 1, "Expr"), ("field", 2, "string"), ("test_only", 3, "bool")),
    "Call": (("target", 1, "Expr"), ("function", 2, "string"), ("args", 3, "*Expr")),
    "CreateList": (("elements", 1, "*Expr"),),
    "Entry": (("map_key", 3, "Expr"), ("value", 4, "Expr")),
    "CreateStruct": (("entries", 2, "*Entry"),),
    "Comprehension": (("iter_var", 1, "string"), ("iter_range", 2, "Expr"), ("accu_var", 3, "string"),
                      ("accu_init", 4, "Expr"), ("loop_condition", 5, "Expr"), ("loop_step", 6, "Expr"),
                      ("result", 7, "Expr"), ("iter_var2", 8, "string")),
    "Expr": (("id", 2, "int64"), ("const_expr", 3, "Constant"), ("ident_expr", 4, "Ident"),
             ("select_expr", 5, "Select"), ("call_expr", 6, "Call"), ("list_expr", 7, "CreateList"),
             ("struct_expr", 8, "CreateStruct"), ("comprehension_expr", 9, "Comprehension")),
    "Position": (("key", 1, "int64"), ("value", 2, "int32")),
    "SourceInfo": (("positions", 4, "*Position"),),
    "CheckedExpr": (("expr", 4, "Expr"), ("source_info", 5, "SourceInfo")),
}  # fmt: skip
_ONE_OF = {"Constant": "constant_kind"}


def _message_class() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "int64": field.TYPE_INT64, "uint64": field.TYPE_UINT64, "int32": field.TYPE_INT32, "bool": field.TYPE_BOOL,
        "double": field.TYPE_DOUBLE, "string": field.TYPE_STRING, "bytes": field.TYPE_BYTES,
    }  # fmt: skip
    file = descriptor_pb2.FileDescriptorProto(name="toolguard/cel.proto", package=_PACKAGE, syntax="proto3")
    for name, declared in _FIELDS.items():
        message = file.message_type.add(name=name)
        union = _ONE_OF.get(name)
        if union:
            message.oneof_decl.add(name=union)
        for label, number, kind in declared:
            made = message.field.add(name=label, number=number, label=field.LABEL_OPTIONAL)
            if kind.startswith("*"):
                made.label = field.LABEL_REPEATED
                kind = kind[1:]
            if kind in scalars:
                made.type = scalars[kind]
            else:
                made.type, made.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            if union:
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.CheckedExpr"))


_CheckedExpr = _message_class()
_KINDS = ("const", "ident", "select", "call", "list", "struct", "comprehension")


def load(serialized: bytes) -> tuple[Expr, Any, dict[int, int]]:
    """The root expression, the message that holds it, and the source offset of each expression id."""
    holder = any_pb2.Any.FromString(serialized)
    checked = _CheckedExpr.FromString(holder.value)
    return checked.expr, checked, {p.key: p.value for p in checked.source_info.positions}


def dump(checked: Any) -> bytes:
    """The serialised form of a (changed) checked expression."""
    holder = any_pb2.Any(type_url="type.googleapis.com/cel.expr.CheckedExpr", value=checked.SerializeToString())
    return bytes(holder.SerializeToString())


def kind_of(expr: Expr) -> str:
    """``const``, ``ident``, ``select``, ``call``, ``list``, ``struct`` or ``comprehension``."""
    for kind in _KINDS:
        if expr.HasField(f"{kind}_expr"):
            return kind
    return "const"


def literal(expr: Expr) -> object:
    """The value of a literal (None for ``null``), or ``...`` if ``expr`` is none."""
    if kind_of(expr) != "const":
        return ...
    which = expr.const_expr.WhichOneof("constant_kind")
    return None if which in (None, "null_value") else getattr(expr.const_expr, which)


def children(expr: Expr) -> Iterator[Expr]:
    """The direct sub-expressions of ``expr``."""
    kind = kind_of(expr)
    if kind == "select":
        yield expr.select_expr.operand
    elif kind == "call":
        if expr.call_expr.HasField("target"):
            yield expr.call_expr.target
        yield from expr.call_expr.args
    elif kind == "list":
        yield from expr.list_expr.elements
    elif kind == "struct":
        for entry in expr.struct_expr.entries:
            yield from (entry.map_key, entry.value)
    elif kind == "comprehension":
        it = expr.comprehension_expr
        yield from (it.iter_range, it.accu_init, it.loop_condition, it.loop_step, it.result)
