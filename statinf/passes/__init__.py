"""Data beyond memory: a table that is read in blocks of rows, and fits that pass over it a few times.

A verb that can work on sums over rows asks `block_table` whether its data are such a table, reads the formula with
`read_passes`, and takes its sums from `PassDesign.total`, whose function sees one block of rows at a time as an ordinary
`Design`. Which process reads a block, and in which order, is the business of the table's engine.
"""

from statinf.passes.adding import plus
from statinf.passes.design import PassDesign
from statinf.passes.engine import Engine, LocalEngine
from statinf.passes.learning import read_passes
from statinf.passes.opening import block_table, blocks, refuse_blocks
from statinf.passes.table import BLOCK_ROWS, BlockTable, Part

__all__ = [
    "BLOCK_ROWS",
    "BlockTable",
    "Engine",
    "LocalEngine",
    "Part",
    "PassDesign",
    "block_table",
    "blocks",
    "plus",
    "read_passes",
    "refuse_blocks",
]
