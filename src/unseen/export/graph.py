"""A computation graph under construction: operators in, tensor names out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unseen.errors import require

__all__ = ["IR_VERSION", "ML_OPSET", "OPSET", "Graph"]

# LayerNormalization came with 17 and reductions with axes as inputs with 18; runtimes of the last years know them.
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8


class Graph:
    """Nodes and constants of one ONNX graph.

    Every function of this package that *expresses* something takes a graph and tensor names, adds nodes, and returns
    the names of what they give. Equal constants are stored once.

    Example:
        >>> import numpy as np
        >>> graph = Graph()
        >>> graph.input("x", np.float32, ("rows", 2))
        'x'
        >>> graph.output("y", graph("Add", "x", graph.constant([1.0, 2.0], np.float32)), np.float32, ("rows", 2))
        >>> len(graph.model().graph.node)
        2
    """

    def __init__(self) -> None:
        self._onnx: Any = require("onnx", "export")
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, kind: DTypeLike, shape: tuple[int | str, ...]) -> str:
        """Declare an input; a text in its shape names a free dimension."""
        self._inputs.append(self._described(name, kind, shape))
        return name

    def default(self, name: str, value: NDArray[Any]) -> str:
        """Declare an input with a default: callers may leave it out."""
        self._initializers.append(self._onnx.numpy_helper.from_array(value, name))
        return self.input(name, value.dtype, value.shape)

    def output(self, name: str, tensor: str, kind: DTypeLike, shape: tuple[int | str, ...]) -> None:
        """Declare that a tensor is an output of this name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(self._described(name, kind, shape))

    def constant(self, value: ArrayLike, kind: DTypeLike) -> str:
        """The name of a constant tensor."""
        array = np.ascontiguousarray(value, dtype=kind).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._initializers.append(self._onnx.numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def tensor(self, value: NDArray[Any]) -> Any:
        """A tensor as operators take it for an attribute."""
        return self._onnx.numpy_helper.from_array(value)

    def __call__(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; its name."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def float32(self, tensor: str) -> str:
        """The tensor in single precision."""
        return self("Cast", tensor, to=self._onnx.TensorProto.FLOAT)

    def float64(self, tensor: str) -> str:
        """The tensor in double precision."""
        return self("Cast", tensor, to=self._onnx.TensorProto.DOUBLE)

    def int64(self, tensor: str) -> str:
        """The tensor as whole numbers."""
        return self("Cast", tensor, to=self._onnx.TensorProto.INT64)

    def concat(self, tensors: list[str], axis: int = 1) -> str:
        """Tensors side by side."""
        return tensors[0] if len(tensors) == 1 else self("Concat", *tensors, axis=axis)

    def column(self, tensor: str, position: int) -> str:
        """One column of a matrix, shape (rows,)."""
        return self("Gather", tensor, self.constant(position, np.int64), axis=1)

    def columns(self, tensor: str, positions: ArrayLike) -> str:
        """Some columns of a matrix."""
        return self("Gather", tensor, self.constant(positions, np.int64), axis=1)

    def unsqueeze(self, tensor: str, axis: int = 1) -> str:
        """The tensor with a new dimension of size one."""
        return self("Unsqueeze", tensor, self.constant([axis], np.int64))

    def weighted_sum(self, tensor: str, weights: NDArray[Any]) -> str:
        """The sum of a matrix's columns, each times its weight, shape (rows,).

        As a matrix product: ONNX Runtime's ReduceSum adds in an order that depends on where in memory a row begins, so
        a row's last bit would depend on the rows before it.
        """
        product = self("MatMul", tensor, self.constant(weights[:, None], weights.dtype))
        return self("Squeeze", product, self.constant([1], np.int64))

    def reduced(self, tensor: str, operator: str, axis: int = 1) -> str:
        """A reduction over one dimension, which goes away."""
        return self(operator, tensor, self.constant([axis], np.int64), keepdims=0)

    def model(self, metadata: dict[str, str] | None = None) -> Any:
        """The finished and checked ONNX model."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, "unseen", self._inputs, self._outputs, self._initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="unseen")
        helper.set_model_props(model, metadata or {})
        self._onnx.checker.check_model(model)
        return model

    def _described(self, name: str, kind: DTypeLike, shape: tuple[int | str, ...]) -> Any:
        helper = self._onnx.helper
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape))
