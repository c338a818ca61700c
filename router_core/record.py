"""`dataclass` for the records that every request makes: frozen to the type checker and to the tests, free at run time.

A frozen dataclass sets each field through `object.__setattr__`, about 0.13 us; a plain one stores it in 0.03 us. A
request makes some three hundred such fields, so freezing them at run time costs more than deciding. Type checkers see
the standard decorator and refuse every assignment; the tests set `FROZEN` before anything else is imported, so that an
assignment the checker cannot see raises there. Equality and hash are those of a frozen dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

FROZEN = False

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(*, frozen=False, eq=True, **options):
        """`dataclasses.dataclass`, whose `frozen` holds at run time only while `FROZEN` is set."""
        return dataclasses.dataclass(
            frozen=frozen and FROZEN, eq=eq, unsafe_hash=eq and frozen and not FROZEN, **options
        )
